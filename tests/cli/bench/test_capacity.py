import pytest

from tests.cli.bench.results import refused_result, result
from voicewire.cli.bench.capacity import (
    STEP_HEAD,
    Found,
    Objective,
    Verdict,
    capacity_json,
    find_capacity,
    found_line,
    step_line,
)
from voicewire.cli.bench.report import totals_of


class Server:
    """Holds so many callers, and tells what it was tried with."""

    def __init__(self, capacity: int, *, verdict_beyond: Verdict = Verdict.MISSED) -> None:
        self._capacity = capacity
        self._verdict_beyond = verdict_beyond
        self.tried: list[int] = []

    def try_step(self, num_callers: int) -> Verdict:
        self.tried.append(num_callers)
        return Verdict.HELD if num_callers <= self._capacity else self._verdict_beyond


@pytest.mark.parametrize("capacity", [1, 7, 99, 100, 101, 150, 777, 4999])
def test_the_answer_is_as_exact_as_was_asked(capacity: int) -> None:
    server = Server(capacity)
    found = find_capacity(server.try_step, start=100, resolution=0.05, most=5000)
    assert found.capacity <= capacity
    assert found.missed_at is not None
    assert found.missed_at > capacity
    assert found.missed_at - found.capacity <= max(1, 0.05 * found.missed_at)
    assert not found.is_lower_bound


def test_it_grows_and_then_halves() -> None:
    server = Server(330)
    find_capacity(server.try_step, start=100, resolution=0.1, most=5000)
    assert server.tried == [100, 200, 400, 300, 350, 325]


def test_no_more_callers_are_tried_than_allowed() -> None:
    server = Server(10_000)
    found = find_capacity(server.try_step, start=100, resolution=0.05, most=500)
    assert found == Found(500, None, is_lower_bound=False)
    assert server.tried == [100, 200, 400, 500]


def test_a_server_that_holds_nobody_has_no_capacity() -> None:
    found = find_capacity(Server(0).try_step, start=8, resolution=0.05, most=500)
    assert found == Found(0, 1, is_lower_bound=False)


def test_a_limit_of_the_generator_is_only_a_lower_bound() -> None:
    server = Server(120, verdict_beyond=Verdict.UNKNOWN)
    found = find_capacity(server.try_step, start=100, resolution=0.05, most=500)
    assert found.is_lower_bound
    assert found_line(found, Objective()).startswith("capacity: at least 1")


def test_an_interruption_keeps_what_was_found() -> None:
    verdicts = iter([Verdict.HELD, Verdict.HELD, None])
    found = find_capacity(lambda _: next(verdicts), start=10, resolution=0.05, most=500)
    assert found == Found(20, None, is_lower_bound=False)


def test_the_objective_is_met_by_latency_glitches_and_service() -> None:
    objective = Objective(max_p99_ms=60.0, max_glitches=1)
    assert objective.judge(totals_of(result(latency_secs=0.05)), 2) is Verdict.HELD
    assert objective.judge(totals_of(result(latency_secs=0.07)), 2) is Verdict.MISSED
    assert objective.judge(totals_of(result(glitches=1)), 2) is Verdict.HELD
    assert objective.judge(totals_of(result(glitches=2)), 2) is Verdict.MISSED
    assert objective.judge(totals_of(result()), 3) is Verdict.MISSED
    assert objective.judge(totals_of(result(latency_secs=0.07, late_secs=1.0)), 2) is (
        Verdict.UNKNOWN
    )


def test_a_step_is_a_line_under_its_head() -> None:
    line = step_line(result(latency_secs=0.0125), Verdict.HELD)
    assert line.split() == ["2", "12.5", "12.5", "0", "50.0", "25.000", "held"]
    assert line.index("25.000") + len("25.000") == len(STEP_HEAD)


def test_the_json_holds_the_steps_without_their_callers() -> None:
    report = capacity_json(Found(200, 210, is_lower_bound=False), Objective(), [result()])
    assert (report["capacity"], report["missed_at"]) == (200, 210)
    assert report["objective"] == {"max_p99_ms": 60.0, "max_glitches": 0}
    assert report["steps"][0]["sessions"] == 2
    assert "callers" not in report["steps"][0]


def test_what_was_not_measured_is_a_dash() -> None:
    assert "nan" not in step_line(refused_result(), Verdict.MISSED)
    assert step_line(refused_result(), Verdict.MISSED).split()[1:3] == ["-", "-"]
