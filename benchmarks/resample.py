"""Cost and delay of our resampler beside soxr's, per 20 ms chunk of mono.

python benchmarks/resample.py
"""

import statistics
import timeit
from collections.abc import Callable
from functools import partial

import numpy as np
import soxr

from voicewire.audio.resample import StreamResampler

RATES = [(48000, 16000), (44100, 16000), (24000, 16000), (24000, 48000), (8000, 16000)]
QUALITIES = ["LQ", "MQ", "HQ", "VHQ"]
CHUNK_SECS = 0.02
ROUNDS = 15
CALLS = 200


def contenders(from_rate: int, to_rate: int) -> dict[str, Callable[[bytes], bytes]]:
    """Return each resampler's way from a chunk to what it gives back for it."""

    def soxr_way(quality: str) -> Callable[[bytes], bytes]:
        stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality=quality)
        return lambda pcm: stream.resample_chunk(np.frombuffer(pcm, "<i2")).tobytes()

    ways = {f"soxr {quality}": soxr_way(quality) for quality in QUALITIES}
    return {"voicewire": StreamResampler(from_rate, to_rate).process} | ways


def longest_delay_secs(way: Callable[[bytes], bytes], pcm: bytes, ratio: float) -> float:
    """Return the most input that had no output yet, over two seconds of chunks."""
    num_in = num_out = 0
    longest = 0.0
    for _ in range(100):
        num_in += len(pcm)
        num_out += len(way(pcm))
        longest = max(longest, CHUNK_SECS * (num_in - num_out / ratio) / len(pcm))
    return longest


def main() -> None:
    for from_rate, to_rate in RATES:
        noise = np.random.default_rng(1).normal(0, 3000, round(from_rate * CHUNK_SECS))
        pcm = noise.astype("<i2").tobytes()
        ways = contenders(from_rate, to_rate)
        delays = {
            name: longest_delay_secs(way, pcm, to_rate / from_rate) for name, way in ways.items()
        }
        micros: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits all alike
            for name, way in ways.items():
                elapsed = timeit.timeit(partial(way, pcm), number=CALLS)
                micros[name].append(elapsed / CALLS * 1e6)
        for name in ways:
            cost = statistics.median(micros[name])
            print(
                f"{from_rate:5} -> {to_rate:5} Hz  {name:9}  {cost:5.1f} µs"
                f"  holds back up to {delays[name] * 1e3:5.1f} ms"
            )


if __name__ == "__main__":
    main()
