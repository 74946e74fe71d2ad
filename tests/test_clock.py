"""Clocks, the real one and the one that tests turn by hand."""

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import Callable

import pytest

from voicewire.clock import STANDSTILL_SECS, MonotonicClock, TimerHandle
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


@pytest.mark.anyio
async def test_the_real_clock_calls_each_in_its_turn() -> None:
    clock, calls = MonotonicClock(), list[str]()
    done = asyncio.Event()

    def note(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    clock.call_later(0.03, done.set)
    clock.call_later(0.02, note("third"))
    clock.call_later(0.01, note("first"))
    clock.call_later(0.01, note("second"))
    clock.call_later(0.015, note("never")).cancel()
    await done.wait()

    assert calls == ["first", "second", "third"]


@pytest.mark.anyio
async def test_a_call_of_the_real_clock_never_comes_early() -> None:
    clock, early = MonotonicClock(), list[float]()
    done = asyncio.Event()
    delays = [n * 0.0007 for n in range(40)]

    def note(due_at: float) -> Callable[[], None]:
        return lambda: early.append(due_at - clock.now())

    for delay in delays:
        clock.call_later(delay, note(clock.now() + delay))
    clock.call_later(delays[-1] + 0.01, done.set)
    await done.wait()

    assert len(early) == len(delays)
    assert max(early) <= 0


@pytest.mark.anyio
async def test_a_sooner_call_is_not_kept_waiting_by_one_that_was_asked_for_before() -> None:
    clock, calls = MonotonicClock(), list[str]()
    done = asyncio.Event()

    def late() -> None:
        calls.append("late")
        done.set()

    clock.call_later(0.015, late)
    clock.call_later(0.002, lambda: calls.append("soon"))
    asyncio.get_running_loop().call_later(0.008, lambda: calls.append("between"))
    await done.wait()

    assert calls == ["soon", "between", "late"]


@pytest.mark.anyio
async def test_a_call_that_fails_does_not_keep_the_others_from_theirs() -> None:
    clock, called = MonotonicClock(), asyncio.Event()
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(context["exception"])
    )

    def fail() -> None:
        raise ValueError("oops")

    clock.call_later(0.0, fail)
    clock.call_later(0.0, called.set)
    await called.wait()

    assert [str(failure) for failure in failures] == ["oops"]


@pytest.mark.anyio
async def test_a_call_that_asks_for_another_at_once_lets_the_loop_go_on() -> None:
    clock = MonotonicClock()
    num_calls = 0

    def again() -> None:
        nonlocal num_calls
        num_calls += 1
        clock.call_later(0.0, again)

    clock.call_later(0.0, again)
    await asyncio.sleep(0.02)

    assert num_calls > 1


@pytest.mark.anyio
async def test_timers_that_are_set_and_cancelled_for_ever_take_no_room() -> None:
    clock = MonotonicClock()
    clock.call_later(60.0, lambda: None)
    for _ in range(10_000):
        clock.call_later(60.0, lambda: None).cancel()

    assert len(clock._heap) < 1000


@pytest.mark.anyio
async def test_timers_that_cancel_each_other_are_counted_once() -> None:
    clock = MonotonicClock()
    timers: list[TimerHandle] = []

    def cancel_all() -> None:
        for timer in timers:
            timer.cancel()

    for _ in range(3):
        timers[:] = [clock.call_later(0.001, cancel_all) for _ in range(100)]
        await asyncio.sleep(0.01)

    assert clock._num_cancelled == 0


@pytest.mark.anyio
async def test_a_clock_whose_calls_are_all_taken_back_is_kept_by_nobody() -> None:
    clock = MonotonicClock()
    timers = [clock.call_later(60.0, lambda: None) for _ in range(3)]
    for timer in timers:
        timer.cancel()
    kept = weakref.ref(clock)
    del clock, timers, timer
    gc.collect()

    assert kept() is None


@pytest.mark.anyio
async def test_a_clock_whose_calls_were_all_taken_back_calls_again() -> None:
    clock = MonotonicClock()
    clock.call_later(0.001, lambda: None).cancel()
    called = asyncio.Event()
    clock.call_later(0.001, called.set)

    await asyncio.wait_for(called.wait(), 5.0)


def test_a_clock_serves_one_loop_after_the_other() -> None:
    clock = MonotonicClock()

    async def wait() -> None:
        clock.call_later(60.0, lambda: None)
        called = asyncio.Event()
        clock.call_later(0.0, called.set)
        await asyncio.wait_for(called.wait(), 5)

    asyncio.run(wait())
    asyncio.run(wait())


class Reader(asyncio.Protocol):
    """Acts on what it reads."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def data_received(self, data: bytes) -> None:
        self._act()


@pytest.mark.anyio
async def test_what_has_come_during_a_standstill_is_read_before_any_call_is_made() -> None:
    clock, loop, events = MonotonicClock(), asyncio.get_running_loop(), list[str]()
    (first, first_end), (second, second_end) = socket.socketpair(), socket.socketpair()
    done = asyncio.Event()

    def stand_still() -> None:
        second_end.send(b"an answer in time")
        time.sleep(2 * STANDSTILL_SECS)

    def call() -> None:
        events.append("called")
        done.set()

    with first_end, second_end:
        transports = [
            (await loop.create_connection(lambda: Reader(stand_still), sock=first))[0],
            (
                await loop.create_connection(
                    lambda: Reader(lambda: events.append("read")), sock=second
                )
            )[0],
        ]
        clock.call_later(STANDSTILL_SECS / 2, call)
        first_end.send(b"work")
        await asyncio.wait_for(done.wait(), 5.0)
        for transport in transports:
            transport.abort()
    assert events == ["read", "called"]
