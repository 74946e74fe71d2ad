"""When an owner of tasks ends, none of them is left running."""

import asyncio
import gc
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.pipeline.fakes import other_tasks, settle
from voicewire.pipeline import owner as owner_module
from voicewire.pipeline.owner import TaskOwner, wait_at_most
from voicewire.testing import VirtualClock

pytestmark = pytest.mark.anyio


async def hang() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise LookupError("on purpose")


async def fail_at_the_end() -> None:
    try:
        await hang()
    finally:
        await fail()


async def own(*coroutines: Coroutine[Any, Any, None], error: Exception | None = None) -> None:
    """Own tasks for a while, then raise `error` or wait for ever."""
    async with TaskOwner() as owner:
        for number, coroutine in enumerate(coroutines):
            owner.create(coroutine, name=f"task {number}")
        if error is None:
            await hang()
        else:
            await settle()
            raise error


async def test_leaving_the_body_cancels_what_still_runs() -> None:
    before = other_tasks()
    async with TaskOwner() as owner:
        task = owner.create(hang(), name="hangs")
        await settle()
    assert task.cancelled()
    assert owner.is_closing
    assert other_tasks() == before


async def test_an_exception_of_the_body_comes_out_as_it_is() -> None:
    error = ValueError("body")
    with pytest.raises(ValueError, match="body") as caught:
        await own(hang(), error=error)
    assert caught.value is error
    assert error.__context__ is None


async def test_an_exception_of_the_body_wins_over_those_of_tasks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ValueError, match="body"):
        await own(fail_at_the_end(), error=ValueError("body"))
    assert "on purpose" in caplog.text


async def test_a_failing_task_ends_the_body_and_its_exception_comes_out() -> None:
    with pytest.raises(LookupError, match="on purpose"):
        await own(fail())


async def test_several_failing_tasks_come_out_as_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await own(fail(), fail())
    assert len(caught.value.exceptions) == 2


async def test_a_cancellation_from_outside_passes_through() -> None:
    before = other_tasks()
    task = asyncio.ensure_future(own(hang()))
    await settle()
    task.cancel()
    await settle()
    assert task.cancelled()
    assert other_tasks() == before


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(owner_module, "RECANCEL_SECS", 0.0)
    num_swallowed = 0

    async def swallow() -> None:
        nonlocal num_swallowed
        while num_swallowed < 3:
            try:
                await hang()
            except asyncio.CancelledError:
                num_swallowed += 1

    async with TaskOwner() as owner:
        owner.create(swallow(), name="stubborn")
        await settle()
    assert num_swallowed == 3
    assert "the task 'stubborn' has swallowed its cancellation" in caplog.text


async def test_a_task_created_while_the_owner_ends_is_cancelled_at_once() -> None:
    created: list[asyncio.Task[None]] = []

    async def create_another() -> None:
        try:
            await hang()
        finally:
            created.append(owner.create(hang(), name="late"))

    async with TaskOwner() as owner:
        owner.create(create_another(), name="creates")
        await settle()
    assert created[0].cancelled()


async def test_a_task_cannot_be_created_after_the_end() -> None:
    async with TaskOwner() as owner:
        pass
    with pytest.raises(RuntimeError):
        owner.create(hang(), name="too late")  # And no warning of a coroutine never awaited.


async def test_tasks_that_have_ended_are_forgotten() -> None:
    async with TaskOwner() as owner:
        task = owner.create(settle(), name="short")
        await task
        await settle()
        reference = weakref.ref(task)
        del task
        gc.collect()
        assert reference() is None


async def test_waiting_ends_when_all_tasks_have_ended() -> None:
    clock = VirtualClock()
    async with TaskOwner() as owner:
        tasks = [owner.create(settle(), name="short") for _ in range(2)]
        assert await wait_at_most(5.0, tasks, clock=clock)
    clock.advance(10.0)  # The timer is gone.


async def test_waiting_ends_at_the_timeout_and_cancels_the_others() -> None:
    clock = VirtualClock()
    async with TaskOwner() as owner:
        tasks = {owner.create(hang(), name="long"), owner.create(settle(), name="short")}
        waits = asyncio.ensure_future(wait_at_most(5.0, tasks, clock=clock))
        await settle()
        await settle()
        clock.advance(5.0)
        assert not await waits
        await settle()
        assert sorted(task.cancelled() for task in tasks) == [False, True]


async def test_waiting_for_nothing_returns() -> None:
    assert await wait_at_most(5.0, (), clock=VirtualClock())
