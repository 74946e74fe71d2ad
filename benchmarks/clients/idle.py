"""Callers who connect and never talk: whether they are held, and what they take.

python -m benchmarks.clients.idle URL SERVER_PID CALLERS SECS
"""

import asyncio
import json
import sys

import psutil
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks.bots.process import prepare

CONNECTS_AT_ONCE = 50

SETTLE_SECS = 2.0


async def main(url: str, pid: int, num_callers: int, secs: float) -> dict[str, float]:
    server = psutil.Process(pid)
    before_mb = server.memory_info().rss / 1e6
    room = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def call() -> ClientConnection | None:
        async with room:
            try:
                return await connect(url, compression=None, open_timeout=30)
            except (OSError, WebSocketException):
                return None

    calls = await asyncio.gather(*(call() for _ in range(num_callers)))
    callers = [caller for caller in calls if caller is not None]
    await asyncio.sleep(SETTLE_SECS)
    cpu_before = server.cpu_times()
    await asyncio.sleep(secs)
    cpu = server.cpu_times()
    used = cpu.user + cpu.system - cpu_before.user - cpu_before.system
    num_open = sum(caller.close_code is None for caller in callers)
    rss_mb = server.memory_info().rss / 1e6
    for caller in callers:
        caller.transport.abort()
    return {
        "callers": num_callers,
        "held": num_open,
        "rss_idle_mb": before_mb,
        "rss_mb": rss_mb,
        "rss_per_caller_mb": (rss_mb - before_mb) / max(1, num_open),
        "cpu_percent": 100 * used / secs,
    }


if __name__ == "__main__":
    prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        url, pid, num_callers, secs = sys.argv[1:]
        print(json.dumps(runner.run(main(url, int(pid), int(num_callers), float(secs)))))
