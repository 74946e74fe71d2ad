"""`voicewire bench` against a server for a long time, with its latency and memory as they went.

python -m benchmarks.clients.timeline URL SERVER_PID CALLERS SECS [--stall-at SECS]
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np
import psutil

from voicewire.cli.bench.cores import Cores
from voicewire.cli.bench.interruption import Interruption
from voicewire.cli.bench.plan import Plan
from voicewire.cli.bench.report import run_json
from voicewire.cli.bench.run import RunResult
from voicewire.cli.bench.session import Bench

NUM_SLICES = 60
"""The measured time is told in so many parts."""


class Watcher:
    """Watches the server's memory from a thread, and stalls the server if told to.

    Attributes:
        rss_mb: Resident memory, megabytes (10^6 bytes), at regular times since `start`.
    """

    def __init__(self, pid: int, every_secs: float) -> None:
        self.rss_mb: list[tuple[float, float]] = []
        self._process = psutil.Process(pid)
        self._every_secs = every_secs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every_secs):
            self.rss_mb.append((time.monotonic(), self._process.memory_info().rss / 1e6))


def latencies(result: RunResult) -> list[dict[str, float]]:
    """Return the median and the 99th percentile of the frame latency in each slice of time."""
    heards = [caller.heard for caller in result.callers]
    due_at = np.concatenate([np.empty(0), *(heard.due_at for heard in heards)])
    latency_ms = 1000 * np.concatenate([np.empty(0), *(heard.latency_secs for heard in heards)])
    start_at = result.window.start_at
    slices = []
    slice_secs = result.window.secs / NUM_SLICES
    for number in range(NUM_SLICES):
        within = (due_at >= start_at + number * slice_secs) & (
            due_at < start_at + (number + 1) * slice_secs
        )
        if within.any():
            p50, p99 = np.percentile(latency_ms[within], (50, 99))
            slices.append({"at": number * slice_secs, "p50": float(p50), "p99": float(p99)})
    return slices


def main(options: argparse.Namespace) -> dict[str, Any]:
    plan = Plan(url=options.url, sessions=options.callers, secs=options.secs)
    bench = Bench(
        plan=plan,
        bot=None,
        server_pid=options.pid,
        cores=Cores(frozenset(), frozenset()),
        num_processes=1,
        interruption=Interruption(),
        tell=lambda line: stall_in(options) if line.startswith("measuring") else None,
    )
    watcher = Watcher(options.pid, max(0.5, options.secs / NUM_SLICES))
    watcher.start()
    result = bench.run(options.callers)
    watcher.stop()
    window = result.window
    return {
        **run_json(result, with_callers=False),
        "timeline": latencies(result),
        "rss_mb": [
            {"at": at - window.start_at, "mb": mb} for at, mb in watcher.rss_mb if at in window
        ],
    }


def stall_in(options: argparse.Namespace) -> None:
    """Have the server stalled, `--stall-at` seconds after the window has begun."""
    if options.stall_at is not None:
        timer = threading.Timer(options.stall_at, os.kill, (options.pid, signal.SIGUSR1))
        timer.daemon = True
        timer.start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("pid", type=int)
    parser.add_argument("callers", type=int)
    parser.add_argument("secs", type=float)
    parser.add_argument("--stall-at", type=float)
    json.dump(main(parser.parse_args()), sys.stdout)
