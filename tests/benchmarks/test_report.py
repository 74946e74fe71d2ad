import pytest

from benchmarks.side_by_side.figures import Figure, figure, ratio
from benchmarks.side_by_side.goals import GOALS, Reached
from benchmarks.side_by_side.remarks import REMARKS
from benchmarks.side_by_side.report import report
from tests.benchmarks.sample import capacity, record, results, run


def reached(goal: str, records: list[dict[str, object]]) -> Reached:
    return next(one for one in GOALS if one.what.startswith(goal)).judge(records)


def test_a_figure_is_a_median_with_its_spread() -> None:
    assert Figure((3.0, 1.0, 2.0)).show(1) == "2.0 (1.0-3.0)"
    assert Figure((1200.0,)).show(0) == "1,200"


def test_a_ratio_is_one_of_medians() -> None:
    assert ratio(Figure((1.0, 9.0, 10.0)), Figure((3.0,))) == 3.0
    assert ratio(Figure((1.0,)), None) is None
    assert ratio(Figure((1.0,)), Figure((0.0,))) is None


def test_a_measurement_that_failed_gives_no_figure() -> None:
    records = [
        record("cost", "inline", 1, **run(cost_us=12.0)),
        record("cost", "inline", 2, error="it did not start"),
        record("cost", "inline", 3, **run() | {"server": None}),
    ]
    assert figure(records, "cost", "inline", "server.cpu_us_per_frame") == Figure((12.0,))


@pytest.mark.parametrize(("callers", "is_met"), [(600, True), (599, False)])
def test_callers_per_core_are_met_at_twelve_times_the_peer(callers: int, is_met: bool) -> None:
    found = reached("callers per core", [capacity("mailbox", callers), capacity("pipecat", 50)])
    assert found.is_met is is_met
    assert "to 50" in found.words


def test_a_peer_that_holds_nobody_is_told_and_divides_nothing() -> None:
    found = reached("callers per core", [capacity("mailbox", 600), capacity("pipecat", 0)])
    assert found == Reached("600 to none", True)


@pytest.mark.parametrize(("cost_us", "is_met"), [(25.0, True), (26.0, False)])
def test_the_cost_of_a_frame_must_be_low_beside_both_floors(cost_us: float, is_met: bool) -> None:
    records = [
        record("cost", "picows", **run(cost_us=10.0)),
        record("cost", "listener", **run(cost_us=12.0)),
        record("cost", "mailbox", **run(cost_us=cost_us)),
    ]
    assert reached("CPU per frame", records).is_met is is_met


@pytest.mark.parametrize(("last_mb", "is_met"), [(101.0, True), (110.0, False)])
def test_memory_that_grows_in_the_long_run_is_not_flat(last_mb: float, is_met: bool) -> None:
    samples = [{"at": float(n), "mb": 100.0 if n < 15 else last_mb} for n in range(20)]
    records = [record("long", "mailbox", timeline=[], rss_mb=samples, secs=600.0)]
    assert reached("memory in the long run", records).is_met is is_met


@pytest.mark.parametrize(("last_ms", "is_met"), [(2.5, True), (4.0, False)])
def test_latency_that_does_not_go_back_is_drift(last_ms: float, is_met: bool) -> None:
    p50 = [2.0] * 5 + [30.0] * 5 + [last_ms] * 9 + [30.0]
    timeline = [{"at": float(n), "p50": ms, "p99": 9.0} for n, ms in enumerate(p50)]
    records = [record("long", "mailbox", timeline=timeline, rss_mb=[], secs=600.0)]
    assert reached("drift in the long run", records).is_met is is_met


@pytest.mark.parametrize(("p50", "is_met"), [(2.1, True), (400.0, False)])
def test_latency_that_stays_high_after_a_stall_is_told(p50: float, is_met: bool) -> None:
    timeline = [{"at": float(n), "p50": 2.0 if n < 10 else p50, "p99": 9.0} for n in range(20)]
    records = [record("stall", "mailbox", timeline=timeline)]
    assert reached("latency of a live echo", records).is_met is is_met


def test_the_page_tells_what_was_not_measured_and_what_failed() -> None:
    page = report(results([record("cost", "picows", error="picows did not start")]))
    assert page.count("not measured") == len(GOALS)
    assert "- cost, picows, round 1: picows did not start" in page


def test_the_page_tells_what_cannot_be_trusted_and_what_was_cut_short() -> None:
    doubtful = run() | {"generator": {"is_trustworthy": False}}
    page = report(results([record("cost", "inline", **doubtful)]) | {"is_complete": False})
    assert "voicewire, inline processor ¹" in page
    assert "could not keep time" in page
    assert "before it was complete" in page


def test_the_page_gives_ratios_of_medians() -> None:
    page = report(results([capacity("mailbox", 600), capacity("pipecat", 50)]))
    assert "| voicewire, async processor | 600 |" in page
    assert "- voicewire, async processor to Pipecat on FastAPI: 12.00x" in page


def test_remarks_are_about_goals_that_there_are() -> None:
    assert REMARKS.keys() <= {goal.what for goal in GOALS}
