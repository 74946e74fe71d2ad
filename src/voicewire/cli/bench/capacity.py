"""How many callers a server holds: a search by trying. Pure, but for what tries."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from voicewire.cli.bench.report import Totals, run_json, totals_of
from voicewire.cli.bench.run import RunResult

GROWTH = 2.0
"""From a step that held to the next one."""


class Verdict(Enum):
    """What a step showed."""

    HELD = auto()
    MISSED = auto()
    UNKNOWN = auto()
    """The objective was missed, but the generator may be to blame."""


@dataclass(frozen=True, slots=True)
class Objective:
    """When a server holds its callers: all of them are served, and this well.

    Attributes:
        max_p99_ms: Of the frame latency, over all callers.
        max_glitches: Of all callers together.
    """

    max_p99_ms: float = 60.0
    max_glitches: int = 0

    def judge(self, totals: Totals, num_callers: int) -> Verdict:
        """Return what a run's figures say."""
        latency_ms = totals.latency_ms
        if (
            totals.served == num_callers
            and latency_ms is not None
            and latency_ms.p99 < self.max_p99_ms
            and totals.glitches <= self.max_glitches
        ):
            return Verdict.HELD
        is_known = totals.is_trustworthy or totals.served < num_callers
        return Verdict.MISSED if is_known else Verdict.UNKNOWN

    def to_json(self) -> dict[str, Any]:
        return {"max_p99_ms": self.max_p99_ms, "max_glitches": self.max_glitches}


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search.

    Attributes:
        capacity: The most callers that held; 0 where none did.
        missed_at: The fewest that did not, or None.
        is_lower_bound: Whether the generator, not the server, set the limit.
    """

    capacity: int
    missed_at: int | None
    is_lower_bound: bool


def find_capacity(
    try_step: Callable[[int], Verdict | None], *, start: int, resolution: float, most: int
) -> Found:
    """Double the callers until a step misses, then halve the interval.

    Args:
        try_step: Runs that many callers; None ends the search.
        start: Callers of the first step.
        resolution: Ends where what held and what missed are no further apart, as a part of the
            latter, such as 0.05.
        most: Callers that are never exceeded.
    """
    held, is_lower_bound = 0, False
    missed: int | None = None
    num_callers = min(start, most)
    while True:
        verdict = try_step(num_callers)
        if verdict is None:
            break
        if verdict is Verdict.HELD:
            held = num_callers
        else:
            missed, is_lower_bound = num_callers, verdict is Verdict.UNKNOWN
        if missed is None:
            if held == most:
                break
            num_callers = min(most, math.ceil(held * GROWTH))
        elif missed - held <= max(1.0, resolution * missed):
            break
        else:
            num_callers = (held + missed) // 2
    return Found(held, missed, is_lower_bound)


def capacity_json(found: Found, objective: Objective, steps: list[RunResult]) -> dict[str, Any]:
    """Return a search as JSON."""
    return {
        "capacity": found.capacity,
        "missed_at": found.missed_at,
        "is_lower_bound": found.is_lower_bound,
        "objective": objective.to_json(),
        "steps": [run_json(step, with_callers=False) for step in steps],
    }


def step_line(result: RunResult, verdict: Verdict) -> str:
    """Return a step as one line of a table, under `STEP_HEAD`."""
    totals = totals_of(result)
    latency_ms, server = totals.latency_ms, result.server
    cpu_percent = server.cpu_percent if server else None
    words = {
        Verdict.HELD: "held",
        Verdict.MISSED: "missed",
        Verdict.UNKNOWN: "missed, but the generator did not keep up",
    }
    return (
        f"{result.plan.sessions:7d}"
        + _cell(latency_ms.p50 if latency_ms else None, width=8, digits=1)
        + _cell(latency_ms.p99 if latency_ms else None, width=8, digits=1)
        + f"{totals.glitches:10d}"
        + _cell(cpu_percent, width=8, digits=1)
        + _cell(cpu_percent / (totals.served or 1) if cpu_percent else None, width=12, digits=3)
        + f"  {words[verdict]}"
    )


def _cell(value: float | None, *, width: int, digits: int) -> str:
    """Return a number at the right of its column; a dash where there is none."""
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


STEP_HEAD = "callers  p50 ms  p99 ms  glitches   CPU %  CPU %/call"


def found_line(found: Found, objective: Objective) -> str:
    """Return the answer as a sentence."""
    at_least = "at least " if found.is_lower_bound or found.missed_at is None else ""
    glitches = objective.max_glitches
    return (
        f"capacity: {at_least}{found.capacity} callers with p99 < {objective.max_p99_ms:g} ms and "
        + ("no glitch" if not glitches else f"at most {glitches} glitches")
    )
