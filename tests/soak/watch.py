"""What is seen of the server from outside, and what is to be thought of it. Pure but for `look`."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

MEGABYTE = 1e6

SETTLED_PART = 0.25
"""Of a soak, before which memory may still grow: pools and caches fill with the first callers."""

MIN_SECS_TO_JUDGE_MEMORY = 300.0

GROWTH_MB = 3.0
GROWTH_PART = 0.03
"""By which the late median of the memory may exceed the early one: the sum of both."""


@dataclass(frozen=True)
class Sight:
    """A server at one moment.

    Attributes:
        at: Monotonic seconds.
        rss_mb: Resident memory, in megabytes (10^6 bytes).
        num_files: Open descriptors.
        num_threads: Threads.
        cpu_secs: Processor time since its beginning.
        news: What it says of itself.
    """

    at: float
    rss_mb: float
    num_files: int
    num_threads: int
    cpu_secs: float
    news: dict[str, Any]


def look(process: psutil.Process, news: dict[str, Any]) -> Sight:
    with process.oneshot():
        times = process.cpu_times()
        return Sight(
            time.monotonic(),
            process.memory_info().rss / MEGABYTE,
            process.num_fds(),
            process.num_threads(),
            times.user + times.system,
            news,
        )


def cpu_share(before: Sight, after: Sight) -> float:
    """Return the part of one core that was used in between."""
    return (after.cpu_secs - before.cpu_secs) / max(1e-9, after.at - before.at)


@dataclass(frozen=True)
class Memory:
    """How memory went. All in megabytes.

    Attributes:
        early_mb: Median of the first third, when the soak had settled.
        late_mb: Median of the last third.
        slope_mb_per_hour: Median of the slopes between the two (Theil and Sen): no peak moves it.
    """

    early_mb: float
    late_mb: float
    slope_mb_per_hour: float

    @property
    def is_flat(self) -> bool:
        return self.late_mb - self.early_mb <= GROWTH_MB + GROWTH_PART * self.early_mb


def memory_of(sights: Sequence[Sight]) -> Memory | None:
    """Return how memory went; None of a soak that is too short to tell."""
    if not sights or sights[-1].at - sights[0].at < MIN_SECS_TO_JUDGE_MEMORY:
        return None
    settled = sights[round(SETTLED_PART * len(sights)) :]
    third = len(settled) // 3
    early, late = settled[:third], settled[-third:]
    slopes = [
        (b.rss_mb - a.rss_mb) / (b.at - a.at) for a in early[:: max(1, third // 50)] for b in late
    ]
    return Memory(
        statistics.median(each.rss_mb for each in early),
        statistics.median(each.rss_mb for each in late),
        3600 * statistics.median(slopes),
    )


def faults_at_the_end(before: Sight, after: Sight) -> list[str]:
    """Return what is not as it was when everybody has gone."""
    pairs = {
        "open descriptors": (before.num_files, after.num_files),
        "tasks": (before.news["tasks"], after.news["tasks"]),
        "sessions": (0, after.news["live"]),
        "listeners to speech": (0, after.news["listeners"]),
    }
    return [
        f"{name}: {now} at the end, {first} at the beginning"
        for name, (first, now) in pairs.items()
        if now > first
    ]
