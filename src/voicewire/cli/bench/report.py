"""A run's figures: totals over all callers, and the JSON that others read. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicewire.cli.bench.outcome import CallerOutcome, Fate, Floats, Turn
from voicewire.cli.bench.run import RunResult
from voicewire.cli.bench.spread import Spread

MAX_LATE_MS = 10.0
"""Figures are not to be trusted where the generator's 99th percentile is later than this,
half a frame..."""

MAX_GENERATOR_PERCENT = 90.0
"""...or where one of its processes needs more of a core than this."""


@dataclass(frozen=True, slots=True)
class Totals:
    """All callers together, within the window.

    Spreads are in milliseconds, and None where there was nothing to measure.

    Attributes:
        refusals: How many callers by HTTP status.
        failures: How many by what failed.
        matched_by_counting: Callers whose output could only be matched by counting bytes.
    """

    served: int
    refusals: dict[str, int]
    failures: dict[str, int]
    frames_sent: int
    messages_received: int
    latency_ms: Spread | None
    jitter_ms: Spread | None
    glitches: int
    glitching_callers: int
    lost_frames: int
    matched_by_counting: int
    vad_delay_ms: Spread | None
    response_ms: Spread | None
    barge_in_ms: Spread | None
    after_decision_ms: Spread | None
    chunks_after_decision: Spread | None
    turns: int
    unanswered_turns: int
    late_ms: Spread | None
    is_trustworthy: bool


def totals_of(result: RunResult) -> Totals:
    """Add up a run."""
    callers = result.callers
    heards = [caller.heard for caller in callers]
    turns = [turn for heard in heards for turn in heard.turns]
    late_ms = Spread.of_secs(result.late_secs)
    return Totals(
        served=sum(caller.fate is Fate.SERVED for caller in callers),
        refusals=_count(callers, Fate.REFUSED),
        failures=_count(callers, Fate.FAILED),
        frames_sent=sum(caller.frames_sent for caller in callers),
        messages_received=sum(heard.messages for heard in heards),
        latency_ms=Spread.of_secs(_join(heard.latency_secs for heard in heards)),
        jitter_ms=Spread.of_secs(_join(heard.jitter_secs for heard in heards)),
        glitches=sum(heard.glitches for heard in heards),
        glitching_callers=sum(heard.glitches > 0 for heard in heards),
        lost_frames=sum(heard.lost_frames for heard in heards),
        matched_by_counting=sum(heard.matched_by == "counting" for heard in heards),
        vad_delay_ms=_of_turns(turns, lambda turn: turn.vad_delay_secs),
        response_ms=_of_turns(turns, lambda turn: turn.response_secs),
        barge_in_ms=_of_turns(turns, lambda turn: turn.barge_in_secs),
        after_decision_ms=_of_turns(turns, lambda turn: turn.after_decision_secs),
        chunks_after_decision=Spread.of(
            [t.chunks_after_decision for t in turns if t.chunks_after_decision is not None]
        ),
        turns=len(turns),
        unanswered_turns=sum(turn.is_unanswered for turn in turns),
        late_ms=late_ms,
        is_trustworthy=late_ms is not None
        and late_ms.p99 <= MAX_LATE_MS
        and result.generator_cpu_percent <= MAX_GENERATOR_PERCENT,
    )


def run_json(result: RunResult, *, with_callers: bool = True) -> dict[str, Any]:
    """Return a run as JSON: milliseconds, megabytes of 10^6 bytes, seconds."""
    totals = totals_of(result)
    plan = result.plan
    report: dict[str, Any] = {
        "target": plan.url,
        "bot": result.bot,
        "sessions": plan.sessions,
        "secs": round(result.window.secs, 3),
        "dialect": plan.dialect,
        "scenario": plan.scenario,
        "client_buffer_ms": round(1000 * plan.client_buffer_secs),
        "interrupted": result.was_interrupted,
        "frames_sent": totals.frames_sent,
        "messages_received": totals.messages_received,
        "refused": sum(totals.refusals.values()),
        "refusals": totals.refusals,
        "failed": sum(totals.failures.values()),
        "failures": totals.failures,
        "matched_by_counting": totals.matched_by_counting,
        "latency_ms": _json(totals.latency_ms),
        "jitter_ms": _json(totals.jitter_ms),
        "glitches": totals.glitches,
        "glitching_callers": totals.glitching_callers,
        "lost_frames": totals.lost_frames,
        "turns": totals.turns,
        "unanswered_turns": totals.unanswered_turns,
        "vad_delay_ms": _json(totals.vad_delay_ms),
        "response_ms": _json(totals.response_ms),
        "barge_in_ms": _json(totals.barge_in_ms),
        "after_decision_ms": _json(totals.after_decision_ms),
        "chunks_after_decision": _json(totals.chunks_after_decision),
        "server": _server_json(result, totals),
        "generator": {
            "late_ms": _json(totals.late_ms),
            "cpu_percent": round(result.generator_cpu_percent, 1),
            "is_trustworthy": totals.is_trustworthy,
        },
        "notes": result.notes,
    }
    if with_callers:
        report["callers"] = [_caller_json(caller) for caller in result.callers]
    return report


def cpu_us_per_frame(result: RunResult, frames_sent: int) -> float | None:
    """Return the server's processor time for each frame that callers sent, in microseconds."""
    if result.server is None or not frames_sent:
        return None
    return 1e6 * result.server.cpu_secs / frames_sent


def _server_json(result: RunResult, totals: Totals) -> dict[str, Any] | None:
    server = result.server
    if server is None:
        return None
    per_frame = cpu_us_per_frame(result, totals.frames_sent)
    num_callers = totals.served or 1
    return {
        "cpu_secs": round(server.cpu_secs, 3),
        "cpu_percent": round(server.cpu_percent, 1),
        "cpu_percent_per_caller": round(server.cpu_percent / num_callers, 4),
        "cpu_us_per_frame": None if per_frame is None else round(per_frame, 2),
        "rss_idle_mb": round(server.rss_idle_mb, 2),
        "rss_mb": round(server.rss_mb, 2),
        "rss_per_caller_mb": round((server.rss_mb - server.rss_idle_mb) / num_callers, 4),
    }


def _caller_json(caller: CallerOutcome) -> dict[str, Any]:
    heard = caller.heard
    return {
        "number": caller.number,
        "fate": caller.fate.value,
        "why": caller.why,
        "frames_sent": caller.frames_sent,
        "messages_received": heard.messages,
        "matched_by": heard.matched_by or None,
        "latency_ms": _json(Spread.of_secs(heard.latency_secs)),
        "jitter_ms": _json(Spread.of_secs(heard.jitter_secs)),
        "glitches": heard.glitches,
        "lost_frames": heard.lost_frames,
        "turns": [_turn_json(turn) for turn in heard.turns],
    }


def _turn_json(turn: Turn) -> dict[str, Any]:
    return {
        "vad_delay_ms": _ms(turn.vad_delay_secs),
        "response_ms": _ms(turn.response_secs),
        "barge_in_ms": _ms(turn.barge_in_secs),
        "after_decision_ms": _ms(turn.after_decision_secs),
        "chunks_after_decision": turn.chunks_after_decision,
    }


def _of_turns(turns: list[Turn], value: Callable[[Turn], float | None]) -> Spread | None:
    secs = [value(turn) for turn in turns]
    return Spread.of_secs([one for one in secs if one is not None])


def _count(callers: list[CallerOutcome], fate: Fate) -> dict[str, int]:
    return dict(Counter(caller.why for caller in callers if caller.fate is fate))


def _join(arrays: Iterable[Floats]) -> Floats:
    return np.concatenate([np.empty(0), *arrays])


def _json(spread: Spread | None) -> dict[str, Any] | None:
    return None if spread is None else spread.to_json()


def _ms(secs: float | None) -> float | None:
    return None if secs is None else round(1000 * secs, 3)
