"""What voicewire is to reach beside its peers, and whether it does. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.side_by_side.figures import Figure, Record, figure, ratio, select

CHUNK_MS = 40.0
"""Audio in one message of a pipeline."""

MAX_DRIFT_MS = 1.0
"""Of the median latency, from the first tenth of the long run to the last one, that is noise."""

MAX_LEFT_MS = CHUNK_MS / 2
"""Of the latency after a stall, above that before it, that is noise."""

MAX_GROWTH_PERCENT = 2.0
"""Of memory, from the second tenth of the long run to the last one, that is noise."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What was reached of a goal.

    Attributes:
        words: For the reader.
        is_met: None where it was not measured.
    """

    words: str
    is_met: bool | None


@dataclass(frozen=True, slots=True)
class Goal:
    """One row of the table.

    Attributes:
        what: The quantity.
        goal: In words.
        judge: Reads the records.
    """

    what: str
    goal: str
    judge: Callable[[Sequence[Record]], Reached]


NOT_MEASURED = Reached("not measured", None)


def more_callers(ours: str, theirs: str, at_least: float) -> Callable[[Sequence[Record]], Reached]:
    """Judge the ratio of two capacities."""

    def judge(records: Sequence[Record]) -> Reached:
        mine = figure(records, "capacity", ours, "capacity")
        other = figure(records, "capacity", theirs, "capacity")
        times = ratio(mine, other)
        if mine is None or other is None:
            return NOT_MEASURED
        if times is None:
            return Reached(f"{mine.show(0)} to none", mine.median > 0)
        words = f"{times:.1f}x ({mine.median:,.0f} to {other.median:,.0f})"
        return Reached(words, times >= at_least)

    return judge


def cost_ratio(side: str, at_most: float) -> Callable[[Sequence[Record]], Reached]:
    """Judge the CPU of a frame beside the bare echoes'."""

    def judge(records: Sequence[Record]) -> Reached:
        path = "server.cpu_us_per_frame"
        mine = figure(records, "cost", side, path)
        to = {
            name: ratio(mine, figure(records, "cost", other, path))
            for name, other in (("picows", "picows"), ("our listener", "listener"))
        }
        known = {name: value for name, value in to.items() if value is not None}
        if len(known) < len(to):
            return NOT_MEASURED
        words = ", ".join(f"{value:.2f}x {name}" for name, value in known.items())
        return Reached(words, all(value <= at_most for value in known.values()))

    return judge


def vad_cost(records: Sequence[Record]) -> Reached:
    mine = figure(records, "vad_cost", "voicewire", "cpu_us_per_window")
    other = figure(records, "vad_cost", "pipecat", "cpu_us_per_window")
    part = ratio(other, mine)
    if part is None or mine is None or other is None:
        return NOT_MEASURED
    return Reached(f"1/{part:.1f} ({mine.median:.1f} to {other.median:.0f} µs)", part >= 25)


def memory_per_caller(records: Sequence[Record]) -> Reached:
    return _at_most(figure(records, "loaded", "vad", "server.rss_per_caller_mb"), 0.15, "MB", 3)


def jitter(records: Sequence[Record]) -> Reached:
    return _at_most(figure(records, "loaded", "mailbox", "jitter_ms.p99"), 5.0, "ms")


def drift(records: Sequence[Record]) -> Reached:
    """Judge what stays of the latency: the best slice of time near the beginning and the end.

    A machine that is busy with something else lifts the latency for a while. Drift is what does not
    go away.
    """
    runs = select(records, "long", "mailbox")
    if not runs or len(runs[-1]["timeline"]) < 2:
        return NOT_MEASURED
    p50 = [part["p50"] for part in runs[-1]["timeline"]]
    quarter = math.ceil(len(p50) / 4)
    first, last = min(p50[:quarter]), min(p50[-quarter:])
    words = (
        f"median latency at its best {first:.1f} → {last:.1f} ms in "
        f"{runs[-1]['secs'] / 60:.1f} min; at its worst {max(p50):.0f} ms"
    )
    return Reached(words, last - first <= MAX_DRIFT_MS)


def reserve_after_stall(records: Sequence[Record]) -> Reached:
    runs = select(records, "stall", "talker")
    if not runs or not runs[-1]["chunks"]:
        return NOT_MEASURED
    run = runs[-1]
    chunks = run["chunks"]["max"]
    words = (
        f"{run['recovered']} of {run['stalled']} listeners after at most {chunks} chunks "
        f"({run['before_ms']:.0f} ms ahead before, {run['after_ms']:.0f} ms after)"
    )
    return Reached(words, run["recovered"] == run["stalled"] and chunks <= 2)


def latency_after_stall(records: Sequence[Record]) -> Reached:
    runs = select(records, "stall", "mailbox")
    if not runs or len(runs[-1]["timeline"]) < 2:
        return NOT_MEASURED
    p50, p99 = (stall_latencies(runs[-1], key) for key in ("p50", "p99"))
    words = f"p50 {p50[0]:.1f} → {p50[1]:.1f} ms, p99 {p99[0]:.1f} → {p99[1]:.1f} ms"
    return Reached(words, all(last - first <= MAX_LEFT_MS for first, last in (p50, p99)))


def stall_latencies(run: Record, key: str) -> tuple[float, float]:
    """Return a percentile of the latency before a stall, and at the end, in milliseconds."""
    return _ends([part[key] for part in run["timeline"]], skipped=0)


def barge_in(records: Sequence[Record]) -> Reached:
    return _at_most(
        figure(records, "conversation", "answer", "after_decision_ms.p99"), CHUNK_MS, "ms"
    )


def import_cost(what: str, ours: str, theirs: str) -> Callable[[Sequence[Record]], Reached]:
    """Judge the CPU (at most a tenth) and the memory (at most half) until something is ready."""

    def judge(records: Sequence[Record]) -> Reached:
        parts = [
            ratio(figure(records, what, ours, path), figure(records, what, theirs, path))
            for path in ("cpu_secs", "rss_mb")
        ]
        cpu, memory = parts
        if cpu is None or memory is None or not cpu or not memory:
            return NOT_MEASURED
        words = f"CPU 1/{1 / cpu:.1f}, memory 1/{1 / memory:.1f}"
        return Reached(words, cpu <= 0.1 and memory <= 0.5)

    return judge


def flat_cost(side: str) -> Callable[[Sequence[Record]], Reached]:
    """Judge the CPU of one caller among few, and at the capacity."""

    def judge(records: Sequence[Record]) -> Reached:
        few = figure(records, "few", side, "server.cpu_percent_per_caller")
        many = figure(records, "capacity", side, "at_capacity.server.cpu_percent_per_caller")
        if few is None or many is None:
            return NOT_MEASURED
        words = f"{few.median:.3f} % of a core → {many.median:.3f} %"
        return Reached(words, many.median <= few.median)

    return judge


def idle_callers(records: Sequence[Record]) -> Reached:
    runs = select(records, "idle_callers", "vad")
    if not runs:
        return NOT_MEASURED
    run = runs[-1]
    words = (
        f"{run['held']:,} of {run['callers']:,}, {1000 * run['rss_per_caller_mb']:.0f} kB each, "
        f"{run['cpu_percent']:.0f} % of a core"
    )
    return Reached(words, run["held"] == run["callers"])


def noisy_neighbours(records: Sequence[Record]) -> Reached:
    quiet = figure(records, "neighbours", "without", "latency_ms.p99")
    noisy = figure(records, "neighbours", "with", "latency_ms.p99")
    times = ratio(noisy, quiet)
    if times is None or quiet is None or noisy is None:
        return NOT_MEASURED
    words = f"{quiet.median:.1f} → {noisy.median:.1f} ms ({100 * (times - 1):+.0f} %)"
    return Reached(words, times <= 1.1)


def flat_memory(records: Sequence[Record]) -> Reached:
    runs = select(records, "long", "mailbox")
    if not runs or len(runs[-1]["rss_mb"]) < 4:
        return NOT_MEASURED
    first, last = _ends([sample["mb"] for sample in runs[-1]["rss_mb"]], skipped=1)
    words = f"{first:.1f} → {last:.1f} MB in {runs[-1]['secs'] / 60:.1f} min"
    return Reached(words, last <= first * (1 + MAX_GROWTH_PERCENT / 100))


def _at_most(found: Figure | None, limit: float, unit: str, decimals: int = 1) -> Reached:
    if found is None:
        return NOT_MEASURED
    return Reached(f"{found.show(decimals)} {unit}", found.median <= limit)


def _ends(values: Sequence[float], *, skipped: int) -> tuple[float, float]:
    """Return the means of a tenth of the values, near the beginning and at the end.

    Args:
        values: In time.
        skipped: Tenths left out at the beginning.
    """
    size = math.ceil(len(values) / 10)
    first = values[skipped * size :][:size] or values[:size]
    return sum(first) / len(first), sum(values[-size:]) / size


GOALS = (
    Goal(
        "callers per core, echo, p99 < 60 ms, no glitch, to Pipecat on FastAPI", "≥ 12x",
        more_callers("mailbox", "pipecat", 12),
    ),
    Goal("the same with Silero on every caller", "≥ 25x", more_callers("vad", "pipecat-vad", 25)),
    Goal(
        "CPU per frame to a bare echo: input, async processor, output", "≤ 2.5x",
        cost_ratio("mailbox", 2.5),
    ),
    Goal("the same with an inline processor", "≤ 1.8x", cost_ratio("inline", 1.8)),
    Goal("CPU per 32 ms window of Silero, 64 callers, to Pipecat", "≤ 1/25", vad_cost),
    Goal("memory per talking caller with Silero", "≤ 0.15 MB", memory_per_caller),
    Goal("output jitter p99 at 70 % of capacity", "≤ 5 ms", jitter),
    Goal("drift in the long run", "none", drift),
    Goal("reserve of speech after a stall of 500 ms", "back within 2 chunks", reserve_after_stall),
    Goal("latency of a live echo after that stall", "as before", latency_after_stall),
    Goal("barge-in: decision → last audio, p99, at 70 % of capacity", "≤ 40 ms", barge_in),
    Goal(
        "importing what a bot needs, to Pipecat", "CPU ≤ 1/10, memory ≤ 1/2",
        import_cost("imports", "voicewire", "pipecat"),
    ),
    Goal(
        "an idle server with Silero loaded, to Pipecat", "CPU ≤ 1/10, memory ≤ 1/2",
        import_cost("idle_server", "vad", "pipecat-vad"),
    ),
    Goal("cost per caller, from 50 to capacity: echo", "flat or falling", flat_cost("mailbox")),
    Goal("cost per caller, from 50 to capacity: Silero", "flat or falling", flat_cost("vad")),
    Goal("idle connected callers", "held", idle_callers),
    Goal("noisy neighbours: p99 of 100 good callers", "≤ +10 %", noisy_neighbours),
    Goal("memory in the long run at 70 % of capacity", "flat", flat_memory),
)  # fmt: skip
