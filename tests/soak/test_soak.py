"""The short form of `make soak`, and what its judgement is worth."""

import pytest

from tests.soak.crowd import MAX_SIZE, size_for
from tests.soak.reasons import faults_of_counts, implausible
from tests.soak.report import faults_of, table
from tests.soak.run import soak
from tests.soak.scale import SHORT
from tests.soak.watch import Sight, faults_at_the_end, memory_of
from voicewire.sessions.ends import EndReason

LEFT = frozenset({EndReason.CALLER_LEFT})
EITHER = frozenset({EndReason.CALLER_LEFT, EndReason.CONNECTION_LOST})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_is_as_before_when_callers_of_all_kinds_have_been_there() -> None:
    outcome = await soak(0.0, seed=1, has_crowd=False)
    faults = faults_of(outcome, SHORT)
    assert not faults, "\n".join([*table(outcome, SHORT), *faults])


def seen(at: float, rss_mb: float, **news: int) -> Sight:
    return Sight(at, rss_mb, 10, 4, 0.0, {"tasks": 3, "live": 0, "listeners": 0, **news})


def soaked(mb_per_hour: float, *, secs: float = 1200.0) -> list[Sight]:
    """Return sights of a server that fills its pools, breathes, and grows."""
    return [
        seen(at, 100 + min(at, 200) / 10 + (at % 60) / 60 + mb_per_hour * at / 3600)
        for at in range(0, round(secs), 5)
    ]


def test_memory_that_breathes_is_flat_and_memory_that_leaks_is_not() -> None:
    flat, leaking = memory_of(soaked(0.0)), memory_of(soaked(60.0))
    assert flat is not None
    assert flat.is_flat
    assert abs(flat.slope_mb_per_hour) < 1.0
    assert leaking is not None
    assert not leaking.is_flat
    assert leaking.slope_mb_per_hour == pytest.approx(60.0, abs=3.0)


def test_of_a_short_time_nothing_is_said_about_memory() -> None:
    assert memory_of(soaked(1000.0, secs=200.0)) is None
    assert memory_of([]) is None


def test_what_is_left_behind_is_told() -> None:
    before = seen(0.0, 1.0)
    assert faults_at_the_end(before, seen(1.0, 2.0)) == []
    (fault,) = faults_at_the_end(before, seen(1.0, 2.0, tasks=4))
    assert fault == "tasks: 4 at the end, 3 at the beginning"
    assert len(faults_at_the_end(before, seen(1.0, 2.0, live=1, listeners=1))) == 2


def test_counts_that_do_not_add_up_are_told() -> None:
    good = {"started": 3, "live": 1, "ended": {"caller-left": 2}}
    assert faults_of_counts(good) == []
    assert faults_of_counts({**good, "started": 4}) == ["4 sessions were started, 1 live, 2 ended"]
    assert faults_of_counts({**good, "ended": {"bored": 2}}) == ["'bored' is no reason for an end"]


def test_reasons_that_callers_gave_no_cause_for_are_told() -> None:
    calls = [(LEFT, 2), (EITHER, 1), (frozenset[EndReason](), 9)]
    assert implausible({"caller-left": 2, "connection-lost": 1}, calls) == []
    assert implausible({"caller-left": 3}, calls) == []
    assert implausible({"caller-left": 1, "bot-failed": 1}, calls) == [
        "caller-left: 1 sessions, expected 2 to 3",
        "bot-failed: 1 sessions, expected 0",
    ]


def test_a_crowd_is_as_large_as_the_server_can_serve_with_the_wanted_share() -> None:
    assert size_for(0.3, now=30, base_share=0.1, wanted_share=0.5) == 60
    assert size_for(0.3, now=20, base_share=0.1, wanted_share=0.9) == 40
    assert size_for(0.9, now=100, base_share=0.1, wanted_share=0.6) == 62
    assert size_for(0.1, now=20, base_share=0.1, wanted_share=0.6) == 20
    assert size_for(0.11, now=400, base_share=0.1, wanted_share=0.6) == MAX_SIZE
    assert size_for(0.3, now=100, base_share=0.1, wanted_share=0.6, vad_ms=900.0) == 50
