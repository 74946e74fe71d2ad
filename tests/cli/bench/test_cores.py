import os

import pytest

from voicewire.cli.bench.cores import Cores, num_generators, share_cores

affinity = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")


@affinity
def test_a_server_of_our_own_gets_a_core_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 2, 7})
    assert share_cores(with_server=True) == Cores(frozenset({2}), frozenset({4, 7}))


@affinity
def test_a_single_core_is_shared_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    cores = share_cores(with_server=True)
    assert cores.server == cores.generators == {3}
    assert "only one core" in cores.note


def test_a_system_that_cannot_pin_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    cores = share_cores(with_server=True)
    assert (cores.server, cores.generators) == (frozenset(), frozenset())
    assert "cannot pin" in cores.note


def test_callers_of_a_server_elsewhere_run_anywhere() -> None:
    assert share_cores(with_server=False) == Cores(frozenset(), frozenset())


def test_there_are_as_many_processes_as_it_takes_and_no_more_than_cores() -> None:
    two = Cores(frozenset({0}), frozenset({1, 2}))
    assert [num_generators(n, two) for n in (1, 400, 401, 5000)] == [1, 1, 2, 2]
