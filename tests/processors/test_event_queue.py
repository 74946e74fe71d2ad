"""Handlers that work beside the pipeline."""

import asyncio
import logging

import pytest

from voicewire.events import EventEmitter
from voicewire.frames import StartFrame
from voicewire.pipeline import ProcessorSetup
from voicewire.pipeline.owner import TaskOwner
from voicewire.processors.event_queue import DRAIN_SECS, EventQueue
from voicewire.testing import VirtualClock

pytestmark = pytest.mark.anyio


class Slow(EventEmitter):
    """Notes what it handles, each time that `may_go_on` is set."""

    def __init__(self) -> None:
        super().__init__("on_it")
        self.handled: list[int] = []
        self.may_go_on = asyncio.Event()
        self.add_event_handler("on_it", self.handle)

    async def handle(self, number: int) -> None:
        await self.may_go_on.wait()
        self.handled.append(number)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_events_are_handled_in_order_while_the_one_who_tells_goes_on() -> None:
    slow = Slow()
    queue = EventQueue(slow, max_waiting=10)
    async with TaskOwner() as tasks:
        setup = ProcessorSetup(VirtualClock(), tasks, StartFrame())
        for number in range(3):
            queue.put(setup, "on_it", number)
        await settle()
        assert slow.handled == []
        slow.may_go_on.set()
        await queue.drain(setup)
        assert slow.handled == [0, 1, 2]
        queue.put(setup, "on_it", 3)
        await queue.drain(setup)
        assert slow.handled == [0, 1, 2, 3]


async def test_what_is_too_much_for_the_handlers_is_dropped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Slow()
    queue = EventQueue(slow, max_waiting=2)
    async with TaskOwner() as tasks:
        setup = ProcessorSetup(VirtualClock(), tasks, StartFrame())
        with caplog.at_level(logging.WARNING):
            for number in range(5):
                queue.put(setup, "on_it", number)
        slow.may_go_on.set()
        await queue.drain(setup)
    assert slow.handled == [0, 1]
    assert queue.num_dropped == 3
    assert len(caplog.records) == 1


async def test_a_handler_that_hangs_holds_up_the_end_for_some_seconds_at_most() -> None:
    slow, clock = Slow(), VirtualClock()
    queue = EventQueue(slow, max_waiting=2)
    async with TaskOwner() as tasks:
        setup = ProcessorSetup(clock, tasks, StartFrame())
        queue.put(setup, "on_it", 1)
        drain = asyncio.ensure_future(queue.drain(setup))
        await settle()
        assert not drain.done()
        clock.advance(DRAIN_SECS)
        await drain
    assert slow.handled == []
