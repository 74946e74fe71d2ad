"""CPU that Silero's voice activity detection takes for each window of 32 ms.

    python benchmarks/silero.py            # a table
    python benchmarks/silero.py --json     # the same for programs

Three things are measured, in microseconds of CPU per window:

- the network alone on one core, in batches of several sizes: ours, and onnxruntime with Silero's
  own file;
- the whole way of callers who speak in real time: another process sends each one's 20 ms of speech
  every 20 ms, at moments of its own. It holds all threads of this process, from `VADStream.feed`
  to the event, less what reading the same messages and dropping them takes;
- the whole way at full speed: all callers' next messages, as soon as the last were judged.

In real time, much of the cost is waking up: caches are cold, and batches as small as the callers
are few. A busy server lies between the second and the third.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr
from numpy.typing import NDArray

from voicewire.audio.pcm import mix_channels, parse_wav
from voicewire.clock import MonotonicClock
from voicewire.vad import SileroVADAnalyzer, VADStream
from voicewire.vad.engine import MAX_BATCH
from voicewire.vad.shared import shared_engine
from voicewire.vad.silero import SileroModel

RATE = 16000
WINDOW = 512
MESSAGE_SECS = 0.02
MESSAGE_BYTES = 2 * round(RATE * MESSAGE_SECS)
BATCHES = (1, 8, 32, 64)
ROUNDS = 15
SPEECH_DIR = Path(__file__).parents[1] / "tests/data/speech"

Windows = NDArray[np.int16]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--callers", type=int, default=64, help="who speak (default 64)")
    parser.add_argument("--secs", type=float, default=10.0, help="of real time (default 10)")
    arguments = parser.parse_args()
    pcm = speech()
    SileroVADAnalyzer().preload(RATE)
    report = {
        "network": {name: measure_network(way, pcm) for name, way in WAYS.items()},
        "real_time": measure_real_time(arguments.callers, arguments.secs, pcm),
        "full_speed": measure_full_speed(arguments.callers, pcm),
    }
    print(json.dumps(report, indent=2) if arguments.json else table(report))


def speech() -> bytes:
    """Return all recordings one after the other, mono s16le at `RATE`."""
    recordings = []
    for file in sorted(SPEECH_DIR.glob("*.wav")):
        pcm, rate, num_channels = parse_wav(file.read_bytes())
        samples = np.frombuffer(mix_channels(pcm, num_channels, 1), "<i2")
        recordings.append(soxr.resample(samples, rate, RATE).tobytes())
    return b"".join(recordings)


def ours(windows: Windows) -> Callable[[], object]:
    model = SileroModel(RATE)
    states = np.zeros((len(windows), model.state_size), np.float32)
    parts = [slice(start, start + MAX_BATCH) for start in range(0, len(windows), MAX_BATCH)]
    return lambda: [model.infer(windows[part], states[part]) for part in parts]


def theirs(windows: Windows) -> Callable[[], object]:
    package = find_spec("silero_vad")  # found, not imported: that would ask for PyTorch
    if package is None or package.origin is None:
        raise SystemExit("the package silero-vad is not installed; see pyproject.toml")
    file = Path(package.origin).parent / "data/silero_vad.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    chunk = np.zeros((len(windows), RATE * 4 // 1000 + WINDOW), np.float32)
    state = np.zeros((2, len(windows), 128), np.float32)

    def infer() -> None:
        nonlocal state
        chunk[:, -WINDOW:] = windows
        chunk[:, -WINDOW:] /= 32768
        inputs = {"input": chunk, "state": state, "sr": np.array(RATE, np.int64)}
        _, state = session.run(None, inputs)

    return infer


WAYS = {"voicewire": ours, "onnxruntime": theirs}


def measure_network(way: Callable[[Windows], Callable[[], object]], pcm: bytes) -> dict[str, float]:
    """Return microseconds per window, the median of several rounds, by batch size."""
    cost = {}
    for batch in BATCHES:
        windows = np.frombuffer(pcm, "<i2")[: batch * WINDOW].reshape(batch, WINDOW)
        infer = way(windows)
        num_calls = max(10, 1000 // batch)
        rounds = []
        for _ in range(ROUNDS):
            started = time.thread_time()
            for _ in range(num_calls):
                infer()
            rounds.append((time.thread_time() - started) / (num_calls * batch) * 1e6)
        cost[str(batch)] = round(statistics.median(rounds), 1)
    return cost


class Meter:
    """CPU of the process, windows and batches, from its making to `read`."""

    def __init__(self) -> None:
        self._engine = shared_engine(f"silero-{RATE}", lambda: SileroModel(RATE))
        self._windows, self._batches = self._engine.num_windows, self._engine.num_batches
        self._cpu = time.process_time()

    def read(self) -> tuple[float, int, int]:
        """Return seconds of CPU, windows and batches."""
        return (
            time.process_time() - self._cpu,
            self._engine.num_windows - self._windows,
            self._engine.num_batches - self._batches,
        )


def open_streams(num_callers: int) -> list[VADStream]:
    analyzer, clock = SileroVADAnalyzer(), MonotonicClock()
    return [analyzer.open(RATE, lambda event: None, clock) for _ in range(num_callers)]


def measure_real_time(num_callers: int, secs: float, pcm: bytes) -> dict[str, float]:
    reading, _, _ = run(hear(num_callers, secs, pcm, detects=False))
    cpu, num_windows, num_batches = run(hear(num_callers, secs, pcm, detects=True))
    return {
        "callers": num_callers,
        "windows_per_batch": round(num_windows / num_batches, 1),
        "us_per_window": round((cpu - reading) / num_windows * 1e6, 1),
    }


async def hear(
    num_callers: int, secs: float, pcm: bytes, *, detects: bool
) -> tuple[float, int, int]:
    """Return what `num_callers` cost who speak for `secs`."""
    loop = asyncio.get_running_loop()
    streams = open_streams(num_callers)
    pairs = [socket.socketpair() for _ in streams]
    num_open = num_callers
    all_left = asyncio.Event()

    def listen(sock: socket.socket, stream: VADStream) -> None:
        def read() -> None:
            nonlocal num_open
            message = sock.recv(65536)
            if not message:
                loop.remove_reader(sock)
                num_open -= 1
                if num_open == 0:
                    all_left.set()
            elif detects:
                stream.feed(message)

        loop.add_reader(sock, read)

    for (ours_end, _), stream in zip(pairs, streams, strict=True):
        listen(ours_end, stream)
    sender = multiprocessing.get_context("spawn").Process(
        target=speak, args=([their_end for _, their_end in pairs], secs, pcm)
    )
    sender.start()
    for _, their_end in pairs:
        their_end.close()
    meter = Meter()
    await all_left.wait()
    measured = meter.read()
    sender.join()
    for (ours_end, _), stream in zip(pairs, streams, strict=True):
        stream.close()
        ours_end.close()
    return measured


def speak(sockets: list[socket.socket], secs: float, pcm: bytes) -> None:
    """Send each caller's speech in real time; they begin at moments and places of their own."""
    started = time.monotonic() + 0.1
    golden_ratio = 0.618034  # its multiples lie evenly in every stretch of time
    phases = sorted((number * golden_ratio % 1.0, sock) for number, sock in enumerate(sockets))
    for message in range(round(secs / MESSAGE_SECS)):
        for place, (phase, sock) in enumerate(phases):
            due = started + (message + phase) * MESSAGE_SECS
            time.sleep(max(0.0, due - time.monotonic()))
            offset = (place * len(pcm) // len(phases) // 2 * 2 + message * MESSAGE_BYTES) % (
                len(pcm) - MESSAGE_BYTES
            )
            sock.send(pcm[offset : offset + MESSAGE_BYTES])
    for sock in sockets:
        sock.close()


def measure_full_speed(num_callers: int, pcm: bytes) -> dict[str, float]:
    cpu, num_windows, num_batches = run(hurry(num_callers, pcm))
    return {
        "callers": num_callers,
        "windows_per_batch": round(num_windows / num_batches, 1),
        "us_per_window": round(cpu / num_windows * 1e6, 1),
    }


async def hurry(num_callers: int, pcm: bytes) -> tuple[float, int, int]:
    """Return what it costs to judge ten seconds of each caller's speech without waiting."""
    streams = open_streams(num_callers)
    meter = Meter()
    num_samples = 0
    for start in range(0, 10 * 2 * RATE, MESSAGE_BYTES):
        for number, stream in enumerate(streams):
            offset = (start + number * WINDOW) % (len(pcm) - MESSAGE_BYTES)
            stream.feed(pcm[offset : offset + MESSAGE_BYTES])
        num_samples += MESSAGE_BYTES // 2
        # Nothing tells of a window that is no event.
        while meter.read()[1] < num_samples // WINDOW * num_callers:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    measured = meter.read()
    for stream in streams:
        stream.close()
    return measured


def run(coroutine: Coroutine[Any, Any, tuple[float, int, int]]) -> tuple[float, int, int]:
    new_event_loop = asyncio.new_event_loop
    if sys.platform != "win32":
        import uvloop

        new_event_loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(coroutine)


def table(report: dict[str, Any]) -> str:
    lines = [f"{'µs per window':20}" + "".join(f"{f'batch of {n}':>13}" for n in BATCHES)]
    for name, costs in report["network"].items():
        lines.append(f"{name:20}" + "".join(f"{costs[str(n)]:13.1f}" for n in BATCHES))
    for name in ("real_time", "full_speed"):
        figures = report[name]
        lines.append(
            f"{name.replace('_', ' '):20}{figures['us_per_window']:13.1f}  the whole way,"
            f" {figures['callers']} callers, {figures['windows_per_batch']} windows a batch"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
