"""CPU of Pipecat's voice activity detection per window of 32 ms. Runs in the environment `pipecat`.

python -m benchmarks.bots.pipecat_vad_cost speech.wav CALLERS

Each caller has an analyzer of its own, which `VADController` gives every message of 20 ms by
`await analyzer.analyze_audio(audio)`. Here they get them as fast as they take them: one core would
not do it for 64 callers in real time, and waking up for each message would cost it more.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer

SAMPLE_RATE = 16000
MESSAGE_BYTES = 640
WINDOW_BYTES = 1024
SECS = 2.0
"""Of each caller's speech."""


async def main(pcm: bytes, num_callers: int) -> float:
    """Return microseconds per window."""
    analyzers = [SileroVADAnalyzer(sample_rate=SAMPLE_RATE) for _ in range(num_callers)]
    for analyzer in analyzers:
        analyzer.set_sample_rate(SAMPLE_RATE)
    num_messages = round(SECS * SAMPLE_RATE * 2 / MESSAGE_BYTES)
    started = 0.0
    for number in range(-5, num_messages):  # the first few start the analyzers' threads
        if number == 0:
            started = time.process_time()
        message = pcm[(number + 5) * MESSAGE_BYTES :][:MESSAGE_BYTES]
        await asyncio.gather(*(analyzer.analyze_audio(message) for analyzer in analyzers))
    used = time.process_time() - started
    return used / (num_messages * MESSAGE_BYTES / WINDOW_BYTES * num_callers) * 1e6


if __name__ == "__main__":
    logger.remove()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cost = runner.run(main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
    print(json.dumps({"cpu_us_per_window": cost}))
