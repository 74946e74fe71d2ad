"""Places are given away once."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from voicewire import Limits
from voicewire.sessions.places import LocalPlaces, Places, SharedPlaces
from voicewire.shared_file import SharedFile


@pytest.fixture(params=["local", "shared"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[Limits], Places]]:
    with ExitStack() as opened:

        def make_places(limits: Limits) -> Places:
            if request.param == "local":
                return LocalPlaces(limits)
            places = SharedPlaces(SharedPlaces.create(limits), limits, worker=1)
            return opened.enter_context(closing(places))

        yield make_places


def test_there_are_as_many_places_as_the_limit_says(make: Callable[[Limits], Places]) -> None:
    places = make(Limits(max_sessions=2))

    first = places.take("1.1.1.1")
    assert first is not None
    assert places.take("1.1.1.1") is not None
    assert places.refusal("2.2.2.2") == "server"
    assert places.take("2.2.2.2") is None

    places.give_back(first, "1.1.1.1")
    assert places.occupied("1.1.1.1") == (1, 1)
    assert places.take("2.2.2.2") is not None


def test_an_address_has_a_limit_of_its_own(make: Callable[[Limits], Places]) -> None:
    places = make(Limits(max_sessions=5, max_sessions_per_ip=1))

    assert places.take("1.1.1.1") is not None
    assert places.refusal("1.1.1.1") == "ip"
    assert places.take("1.1.1.1") is None
    assert places.refusal("2.2.2.2") is None


def test_the_places_of_a_dead_worker_come_back() -> None:
    limits = Limits(max_sessions=3)
    with closing(SharedPlaces.create(limits)) as file:
        supervisor, mine, theirs = (SharedPlaces(file, limits, worker=each) for each in (0, 1, 2))
        mine.take("1.1.1.1")
        theirs.take("1.1.1.1")
        theirs.take("2.2.2.2")
        assert mine.refusal("3.3.3.3") == "server"

        supervisor.give_back_all(1)
        assert mine.occupied("1.1.1.1") == (2, 1)

        supervisor.give_back_all(2)
        assert mine.occupied("1.1.1.1") == (0, 0)


def test_who_has_more_callers_than_the_others_is_known() -> None:
    limits = Limits(max_sessions=9)
    with closing(SharedPlaces.create(limits)) as file:
        mine, theirs = (SharedPlaces(file, limits, worker=each) for each in (1, 2))
        assert not mine.is_above_average(2)
        mine.take("1.1.1.1")
        assert mine.is_above_average(2)
        assert not theirs.is_above_average(2)
        theirs.take("1.1.1.1")
        assert not mine.is_above_average(2)
        assert mine.is_above_average(2, num_pending=1)


def take_many(
    file: SharedFile, limits: Limits, worker: int, got: "multiprocessing.Queue[int]"
) -> None:
    with closing(SharedPlaces(file, limits, worker=worker)) as places:
        taken = [places.take("1.1.1.1") for _ in range(limits.max_sessions)]
    got.put(sum(place is not None for place in taken))


def test_processes_that_hurry_never_get_more_than_there_are() -> None:
    limits = Limits(max_sessions=500)
    file = SharedPlaces.create(limits)
    spawn = multiprocessing.get_context("spawn")
    got = spawn.Queue()
    processes = [
        spawn.Process(target=take_many, args=(file, limits, worker, got)) for worker in (1, 2, 3)
    ]
    for process in processes:
        process.start()
    counts = [got.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    file.close()

    assert sum(counts) == 500
