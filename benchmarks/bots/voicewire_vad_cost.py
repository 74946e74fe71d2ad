"""CPU of our voice activity detection per window of 32 ms, and of nothing else.

python -m benchmarks.bots.voicewire_vad_cost speech.wav CALLERS

Each caller gives its stream 20 ms of speech every 20 ms of real time, at a moment of its own, for
then windows gather into batches as they do in a server. What the same event loop takes to come by
as often and feed nothing is taken off.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from voicewire.clock import MonotonicClock
from voicewire.vad import SileroVADAnalyzer

SAMPLE_RATE = 16000
MESSAGE_SECS = 0.02
MESSAGE_BYTES = 640
WINDOW_BYTES = 1024
SECS = 5.0
PLACES = 50
"""Callers begin at so many places of the recording."""

_GOLDEN_RATIO = 0.618034


async def call_in(pcm: bytes, num_callers: int, *, feeds: bool) -> float:
    """Return the processor time, of all threads, in which every caller has spoken for `SECS`."""
    loop = asyncio.get_running_loop()
    analyzer = SileroVADAnalyzer()
    analyzer.preload(SAMPLE_RATE)
    messages = [
        pcm[at : at + MESSAGE_BYTES] for at in range(0, len(pcm) - MESSAGE_BYTES + 1, MESSAGE_BYTES)
    ]
    started = loop.time() + 0.1
    num_messages = round(SECS / MESSAGE_SECS)

    def begin(caller: int) -> Callable[[], None]:
        stream = analyzer.open(SAMPLE_RATE, lambda event: None, MonotonicClock())
        phase_secs = MESSAGE_SECS * (caller * _GOLDEN_RATIO % 1.0)
        place = len(messages) * (caller % PLACES) // PLACES
        num_sent = 0

        def send() -> None:
            nonlocal num_sent
            if feeds:
                stream.feed(messages[(place + num_sent) % len(messages)])
            num_sent += 1
            if num_sent < num_messages:
                loop.call_at(started + phase_secs + num_sent * MESSAGE_SECS, send)

        loop.call_at(started + phase_secs, send)
        return stream.close

    closes = [begin(caller) for caller in range(num_callers)]
    before = time.process_time()
    await asyncio.sleep(started + SECS + 0.2 - loop.time())
    used = time.process_time() - before
    for close in closes:
        close()
    return used


def main(pcm: bytes, num_callers: int) -> dict[str, float]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        idle = runner.run(call_in(pcm, num_callers, feeds=False))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        busy = runner.run(call_in(pcm, num_callers, feeds=True))
    num_windows = num_callers * SECS / MESSAGE_SECS * MESSAGE_BYTES / WINDOW_BYTES
    return {
        "cpu_us_per_window": (busy - idle) / num_windows * 1e6,
        "loop_us_per_window": idle / num_windows * 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]))))
