from itertools import pairwise

import pytest

from benchmarks.side_by_side.ladder import RATIO, RUNGS, search


@pytest.mark.parametrize("start", [1, 7, 50, 700, 20_000])
@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("limit", [1, 2, 11, 60, 731, 9_000])
def test_the_highest_rung_that_holds_is_found_from_anywhere(
    limit: int, start: int, stride: int
) -> None:
    found = search(lambda num_callers: num_callers <= limit, start=start, stride=stride)
    assert found == max(rung for rung in RUNGS if rung <= limit)


def test_nothing_that_holds_is_a_capacity_of_none() -> None:
    assert search(lambda num_callers: False, start=50, stride=4) == 0


def test_what_holds_everything_ends_the_search_at_the_highest_rung() -> None:
    assert search(lambda num_callers: True, start=50, stride=4) == RUNGS[-1]


def test_a_search_that_begins_at_the_capacity_takes_two_steps() -> None:
    tried: list[int] = []

    def holds(num_callers: int) -> bool:
        tried.append(num_callers)
        return num_callers <= 600

    capacity = max(rung for rung in RUNGS if rung <= 600)
    assert search(holds, start=capacity, stride=1) == capacity
    assert tried == [capacity, RUNGS[RUNGS.index(capacity) + 1]]


def test_rungs_are_no_further_apart_than_the_resolution_says() -> None:
    for below, above in pairwise(RUNGS):
        assert above - below <= max(1.0, (RATIO - 1) * below + 1.0)
