"""What a soak has found, as a table and a list of faults. Pure."""

from collections.abc import Callable, Iterator

from tests.soak.lives import deeds_for
from tests.soak.reasons import faults_of_counts, implausible
from tests.soak.run import NUM_AT_THE_END, Outcome
from tests.soak.scale import Scale
from tests.soak.watch import Memory, Sight, cpu_share, faults_at_the_end, memory_of
from voicewire.sessions.ends import EndReason

LEFT = frozenset({EndReason.CALLER_LEFT})
DRAINED = frozenset({EndReason.DRAINED})

MAX_LOG_LINES = 30


def faults_of(outcome: Outcome, scale: Scale) -> list[str]:
    """Return everything that is not as it should be."""
    return [
        *_faults_of_sessions(outcome, scale),
        *_faults_of_server(outcome),
        *(f"a caller: {trouble}" for trouble in outcome.book.troubles),
        *outcome.crowd.troubles,
    ]


def _faults_of_sessions(outcome: Outcome, scale: Scale) -> Iterator[str]:
    for sight in outcome.sights:
        yield from faults_of_counts(sight.news)
    calls = [
        (deed.ends, outcome.book.num_done[deed.name]) for deed in deeds_for(scale) if deed.ends
    ]
    calls += [(LEFT, outcome.crowd.num_calls), (DRAINED, NUM_AT_THE_END)]
    if not outcome.book.troubles:  # Otherwise they have ended as they could.
        yield from implausible(outcome.farewell["ended"], calls)
    yield from faults_of_counts(outcome.farewell)
    if outcome.farewell["live"]:
        yield f"{outcome.farewell['live']} sessions live when the server has ended"


def _faults_of_server(outcome: Outcome) -> Iterator[str]:
    assert outcome.after is not None
    yield from faults_at_the_end(outcome.before, outcome.after)
    if outcome.exit_code != 0:
        yield f"the server has ended with {outcome.exit_code}"
    if "Traceback" in outcome.log or "ERROR" in outcome.log:
        yield "the server's log:\n" + "\n".join(outcome.log.splitlines()[:MAX_LOG_LINES])
    memory = memory_of(outcome.sights)
    if memory is not None and not memory.is_flat:
        yield f"memory has grown from {memory.early_mb:.1f} to {memory.late_mb:.1f} MB"


def table(outcome: Outcome, scale: Scale) -> list[str]:
    """Return the lines of the report."""
    after = outcome.after
    assert after is not None
    said = outcome.sights[-1].news
    lines = [
        _first_line(outcome),
        "",
        f"{'':22}{'before':>9}{'most':>9}{'after':>9}",
        *(
            f"{name:22}{was:9.4g}{max(most):9.4g}{now:9.4g}"
            for name, was, most, now in _rows(outcome, after)
        ),
        "",
        _memory_line(memory_of(outcome.sights)),
        _crowd_line(outcome),
        "{refused} messages refused, {rests} rests, {interruptions} interruptions".format(**said),
        "",
        f"{'ended by':22}{'sessions':>9}",
        *(f"{reason:22}{number:9}" for reason, number in sorted(outcome.farewell["ended"].items())),
        "",
        f"{'a caller':34}{'calls':>9}{'troubled':>9}",
    ]
    book = outcome.book
    return lines + [
        f"{deed.name:34}{book.num_done[deed.name]:9}{book.num_troubled[deed.name]:9}"
        for deed in deeds_for(scale)
    ]


def _memory_line(memory: Memory | None) -> str:
    if memory is None:
        return "memory: too short a time to tell whether it grows"
    return (
        f"memory: {memory.early_mb:.1f} MB early, {memory.late_mb:.1f} MB late (medians), "
        f"{memory.slope_mb_per_hour:+.2f} MB an hour: {'flat' if memory.is_flat else 'it grows'}"
    )


def _crowd_line(outcome: Outcome) -> str:
    crowd = outcome.crowd
    return (
        f"the crowd: {crowd.num_calls} callers in {crowd.num_waves} waves, {crowd.num_turns} "
        f"phrases, {crowd.num_unanswered} unanswered, {crowd.num_glitches} glitches, "
        f"VAD delay p99 at most {crowd.worst_vad_ms:.0f} ms"
    )


def _first_line(outcome: Outcome) -> str:
    first, last = outcome.sights[0], outcome.sights[-1]
    most = max(sight.news["live"] for sight in outcome.sights)
    return (
        f"{last.at - first.at:.0f} s, {cpu_share(first, last):.0%} of a core, "
        f"{last.news['started']} sessions, up to {most} at a time"
    )


def _rows(outcome: Outcome, after: Sight) -> list[tuple[str, float, list[float], float]]:
    """Return of each figure what it was, what it has been, and what it is."""
    figures: dict[str, Callable[[Sight], float]] = {
        "resident memory, MB": lambda sight: sight.rss_mb,
        "Python's blocks, 1000": lambda sight: sight.news["blocks"] / 1000,
        "open descriptors": lambda sight: sight.num_files,
        "threads": lambda sight: sight.num_threads,
        "tasks": lambda sight: sight.news["tasks"],
        "sessions": lambda sight: sight.news["live"],
    }
    return [
        (name, figure(outcome.before), [figure(each) for each in outcome.sights], figure(after))
        for name, figure in figures.items()
    ]
