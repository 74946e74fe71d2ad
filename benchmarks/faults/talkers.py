"""Callers in a process of their own, who speak and note when they hear their echo.

python -m benchmarks.faults.talkers URL CALLERS SECS; prints a line when all are there, and in the
end the gaps between messages: when each ended, monotonic, and its milliseconds. Gaps in which this
process itself had to wait for a core are left out.
"""

import asyncio
import json
import sys
from itertools import pairwise

import uvloop

from benchmarks.bots.numbered import BLOCK_SECS
from benchmarks.faults.callers import Caller
from benchmarks.faults.heartbeat import Heartbeat


async def main(url: str, num_callers: int, secs: float) -> None:
    callers = [Caller(url) for _ in range(num_callers)]
    for caller in callers:
        await caller.connect()
    print(json.dumps({"callers": num_callers}), flush=True)

    async def talk(number: int, caller: Caller) -> None:
        # Not all at one moment.
        await asyncio.sleep(BLOCK_SECS * number / num_callers)
        await caller.speak(100 * number, round(secs / BLOCK_SECS))

    async with Heartbeat() as heartbeat:
        await asyncio.gather(*(talk(number, caller) for number, caller in enumerate(callers)))
    gaps = [
        (after.at, 1000 * (after.at - before.at))
        for caller in callers
        for before, after in pairwise(caller.arrivals)
        if not heartbeat.stood_still(before.at, after.at)
    ]
    num_gaps = sum(max(0, len(caller.arrivals) - 1) for caller in callers)
    num_there = sum(caller.is_there for caller in callers)
    print(json.dumps({"there": num_there, "all_gaps": num_gaps, "gaps": gaps}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
