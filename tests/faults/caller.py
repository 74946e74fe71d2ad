"""Calls a server of `tests.faults.server`: `python -m tests.faults.caller URL SECS`.

Prints how many seconds of what was said, and of its own echo, it has heard whole and in order, and
how late the latest of it came after the first.
"""

import asyncio
import sys

from tests.faults.server import RATE, counted
from tests.transports.client import Caller, audio_message

PACKET_BYTES = 640
PACKET_SECS = 0.02

PATIENCE_SECS = 20.0
"""Beyond the time that it takes to say it."""


async def heard_whole(caller: Caller, pcm: bytes) -> float:
    """Return how long what was heard agrees with what was said, when all has come."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + len(pcm) / (2 * RATE) + PATIENCE_SECS
    while len(caller.pcm) < len(pcm) and loop.time() < ends_at:  # noqa: ASYNC110 - as it comes
        await asyncio.sleep(0.05)
    heard = caller.pcm
    return len(heard) / (2 * RATE) if pcm.startswith(heard) else 0.0


def worst_lateness_secs(caller: Caller) -> float:
    """Return by how much the latest audio came after a player needed it that began at once."""
    secs, worst_secs = 0.0, 0.0
    for at, audio in zip(caller.arrivals, caller.audio, strict=True):
        worst_secs = max(worst_secs, at - caller.arrivals[0] - secs)
        secs += len(audio.audio) / (2 * RATE)
    return worst_secs


async def call(url: str, secs: float) -> tuple[float, float, float]:
    pcm = counted(secs)
    async with Caller(f"{url}/say/{secs:g}") as listener, Caller(url) as talker:
        began_at = asyncio.get_running_loop().time()
        for number in range(len(pcm) // PACKET_BYTES):
            due_at = began_at + number * PACKET_SECS
            await asyncio.sleep(due_at - asyncio.get_running_loop().time())
            at = number * PACKET_BYTES
            await talker.send(audio_message(pcm[at : at + PACKET_BYTES]))
        said_secs = await heard_whole(listener, pcm)
        return said_secs, await heard_whole(talker, pcm), worst_lateness_secs(listener)


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, asyncio.run(call(sys.argv[1], float(sys.argv[2]))))) + "\n")
