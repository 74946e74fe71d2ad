"""Clocks, the real one and the one that tests turn by hand."""

import asyncio

import pytest

from voicewire.clock import MonotonicClock
from voicewire.testing import VirtualClock


def test_virtual_time_stands_still_until_it_is_advanced() -> None:
    clock = VirtualClock(now=5.0)
    assert clock.now() == clock.now() == 5.0
    clock.advance(1.5)
    assert clock.now() == 6.5


def test_a_call_is_made_when_its_time_has_come_and_not_before() -> None:
    clock, calls = VirtualClock(), []
    clock.call_later(1.0, lambda: calls.append(clock.now()))
    clock.advance(0.999)
    assert calls == []
    clock.advance(0.001)
    assert calls == [pytest.approx(101.0)]
    clock.advance(5.0)
    assert len(calls) == 1


def test_calls_are_made_in_order_of_time_then_of_asking() -> None:
    clock, calls = VirtualClock(), list[str]()
    clock.call_later(2.0, lambda: calls.append("last"))
    clock.call_later(1.0, lambda: calls.append("first"))
    clock.call_later(1.0, lambda: calls.append("second"))
    clock.advance(2.0)
    assert calls == ["first", "second", "last"]


def test_a_call_sees_the_time_it_was_due_at() -> None:
    clock, seen = VirtualClock(now=0.0), list[float]()
    clock.call_later(1.0, lambda: seen.append(clock.now()))
    clock.call_later(3.0, lambda: seen.append(clock.now()))
    clock.advance(10.0)
    assert seen == [1.0, 3.0]
    assert clock.now() == 10.0


def test_a_call_that_asks_for_another_gets_it_within_the_same_advance() -> None:
    clock, seen = VirtualClock(now=0.0), list[float]()

    def again() -> None:
        seen.append(clock.now())
        clock.call_later(1.0, again)

    clock.call_later(1.0, again)
    clock.advance(3.5)
    assert seen == [1.0, 2.0, 3.0]


def test_a_cancelled_call_is_not_made() -> None:
    clock, calls = VirtualClock(), list[int]()
    timer = clock.call_later(1.0, lambda: calls.append(1))
    timer.cancel()
    timer.cancel()
    clock.advance(2.0)
    assert calls == []


def test_a_call_can_cancel_one_that_is_due_at_the_same_time() -> None:
    clock, calls = VirtualClock(), list[int]()
    clock.call_later(1.0, lambda: second.cancel())
    second = clock.call_later(1.0, lambda: calls.append(1))
    clock.advance(1.0)
    assert calls == []


def test_a_delay_in_the_past_is_due_at_once() -> None:
    clock, calls = VirtualClock(), list[int]()
    clock.call_later(-1.0, lambda: calls.append(1))
    assert calls == []
    clock.advance(0.0)
    assert calls == [1]
    assert clock.now() == 100.0


@pytest.mark.anyio
async def test_the_real_clock_goes_on_and_calls_on_the_loop() -> None:
    clock, called = MonotonicClock(), asyncio.Event()
    before = clock.now()
    clock.call_later(60.0, called.clear).cancel()
    clock.call_later(0.0, called.set)
    await called.wait()
    assert clock.now() >= before
