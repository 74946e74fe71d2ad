"""Bad callers: one floods, one never reads, one speaks at twice real time, one at half of it.

python -m benchmarks.clients.neighbours URL, until it is told to end
"""

import asyncio
import os
import sys
import time

import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from benchmarks.clients.wire import FRAME_SECS, audio_message, dial

AGAIN_SECS = 1.0
"""After the server has hung up on it, a bad caller calls again."""


async def speak(caller: ClientConnection, *, speed: float) -> None:
    """Send 20 ms of audio at `speed` times real time."""
    message = audio_message()
    due_at = time.monotonic()
    while True:
        await caller.send(message)
        due_at += FRAME_SECS / speed
        await asyncio.sleep(due_at - time.monotonic())


async def flood(caller: ClientConnection) -> None:
    """Send as fast as the server takes it."""
    message = audio_message()
    while True:
        await caller.send(message)


async def listen(caller: ClientConnection) -> None:
    async for _ in caller:
        pass


async def misbehave(url: str, *, speed: float | None, reads: bool) -> None:
    while True:
        try:
            caller = await dial(url, max_queue=1024 if reads else 1)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(flood(caller) if speed is None else speak(caller, speed=speed))
                if reads:
                    tasks.create_task(listen(caller))
        except* (ConnectionClosed, OSError):
            pass
        await asyncio.sleep(AGAIN_SECS)


async def main(url: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(misbehave(url, speed=None, reads=True))
        tasks.create_task(misbehave(url, speed=1.0, reads=False))
        tasks.create_task(misbehave(url, speed=2.0, reads=True))
        tasks.create_task(misbehave(url, speed=0.5, reads=True))


if __name__ == "__main__":
    # The good callers on the same core come first: it is the server that is to be disturbed.
    os.nice(19)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
