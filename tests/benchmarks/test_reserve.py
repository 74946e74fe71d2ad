import pytest

from benchmarks.clients.reserve import Arrival, recovery, reserves

CHUNK = 0.04


def arrivals_ahead_by(lead_secs: float, start_at: float, end_at: float) -> list[Arrival]:
    """Return chunks that keep a listener ahead by `lead_secs`, the first of them in one burst."""
    num_chunks = round((end_at - start_at) / CHUNK)
    return [
        Arrival(max(start_at, start_at + (n + 1) * CHUNK - lead_secs), CHUNK)
        for n in range(num_chunks)
    ]


def test_a_reserve_grows_with_what_comes_and_shrinks_with_time() -> None:
    arrivals = [Arrival(0.0, 0.04), Arrival(0.0, 0.04), Arrival(0.05, 0.04), Arrival(0.5, 0.04)]
    assert reserves(arrivals) == pytest.approx([0.04, 0.08, 0.07, 0.04])


def test_a_server_that_catches_up_is_back_with_the_second_chunk() -> None:
    found = recovery(arrivals_ahead_by(0.08, 0.0, 3.0) + arrivals_ahead_by(0.08, 3.5, 8.0))
    assert found is not None
    assert (found.before_secs, found.after_secs) == pytest.approx((0.08, 0.08))
    assert found.chunks == 2


def test_a_server_that_only_goes_on_is_never_back() -> None:
    found = recovery(arrivals_ahead_by(0.08, 0.0, 3.0) + arrivals_ahead_by(0.04, 3.5, 8.0))
    assert found is not None
    assert found.after_secs == pytest.approx(0.04)
    assert found.chunks is None


def test_without_a_stall_there_is_nothing_to_recover_from() -> None:
    assert recovery(arrivals_ahead_by(0.08, 0.0, 3.0)) is None
