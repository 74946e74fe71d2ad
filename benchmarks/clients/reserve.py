"""How far ahead of real time listeners are kept, and what a stall of the server does to that.

python -m benchmarks.clients.reserve URL SERVER_PID LISTENERS SECS --stall-at SECS
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import uvloop

from benchmarks.clients.wire import audio_secs, dial

MIN_STALL_SECS = 0.25
"""A pause between two messages that is longer was a stall."""

TOLERANCE_SECS = 0.005

IGNORED_SECS = 1.0
"""Of the beginning, when the server may still be getting ready."""


SETTLED_SECS = 1.0
"""After a stall, when what it has done to the rest of the call can be seen."""


class Arrival(NamedTuple):
    """A message of audio: when it came, and how long it lasts, in seconds."""

    at: float
    secs: float


class Recovery(NamedTuple):
    """What a stall did to one listener.

    Attributes:
        before_secs: How far ahead the listener was just before each message came, the median.
        after_secs: The same, from a second after the stall on.
        chunks: Messages after the stall until the listener was as far ahead again; None if never.
    """

    before_secs: float
    after_secs: float
    chunks: int | None


def reserves(arrivals: Sequence[Arrival]) -> list[float]:
    """Return how long a listener could go on playing, right after each message has come."""
    ends_at = 0.0
    found = []
    for at, secs in arrivals:
        ends_at = max(ends_at, at) + secs
        found.append(ends_at - at)
    return found


def recovery(arrivals: Sequence[Arrival]) -> Recovery | None:
    """Return what the longest pause did; None where nothing was stalled."""
    pauses = [
        0.0 if before.at < arrivals[0].at + IGNORED_SECS else after.at - before.at
        for before, after in pairwise(arrivals)
    ]
    if not pauses or max(pauses) < MIN_STALL_SECS:
        return None
    first = pauses.index(max(pauses)) + 1
    resumed_at = arrivals[first].at
    ahead = list(zip(arrivals, reserves(arrivals), strict=True))
    late = [secs for one, secs in ahead if one.at > resumed_at + SETTLED_SECS]
    before = statistics.median(
        secs for one, secs in ahead[:first] if one.at >= arrivals[0].at + IGNORED_SECS
    )
    chunks = next(
        (n for n, (_, secs) in enumerate(ahead[first:], 1) if secs >= before - TOLERANCE_SECS),
        None,
    )
    return Recovery(before, statistics.median(late) if late else 0.0, chunks)


async def listen(url: str, secs: float) -> list[Arrival]:
    arrivals = []
    caller = await dial(url)
    try:
        async with asyncio.timeout(secs):
            async for message in caller:
                now = time.monotonic()
                if audio := audio_secs(message):
                    arrivals.append(Arrival(now, audio))
    except TimeoutError:
        pass
    caller.transport.abort()
    return arrivals


async def main(options: argparse.Namespace) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    loop.call_later(options.stall_at, os.kill, options.pid, signal.SIGUSR1)
    heard = await asyncio.gather(
        *(listen(options.url, options.secs) for _ in range(options.listeners))
    )
    recoveries = [found for arrivals in heard if arrivals and (found := recovery(arrivals))]
    chunks = [one.chunks for one in recoveries]
    known = [number for number in chunks if number is not None]
    return {
        "listeners": options.listeners,
        "stalled": len(recoveries),
        "recovered": len(known),
        "before_ms": _median_ms([one.before_secs for one in recoveries]),
        "after_ms": _median_ms([one.after_secs for one in recoveries]),
        "chunks": {"p50": statistics.median(known), "max": max(known)} if known else None,
    }


def _median_ms(secs: list[float]) -> float | None:
    return 1000 * statistics.median(secs) if secs else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("pid", type=int)
    parser.add_argument("listeners", type=int)
    parser.add_argument("secs", type=float)
    parser.add_argument("--stall-at", type=float, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(parser.parse_args()))))
