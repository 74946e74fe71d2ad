"""Observers see everything and disturb nothing."""

import asyncio

import pytest

from tests.pipeline.fakes import Session, Step, Tap, audio, kinds, other_tasks, running, settle
from voicewire.frames import BotStartedSpeakingFrame, EndFrame, TextFrame
from voicewire.pipeline import BaseObserver, FrameDirection, FramePushed
from voicewire.pipeline.observers import ObserverRelay
from voicewire.pipeline.processor import DOWNSTREAM, UPSTREAM
from voicewire.testing import VirtualClock

pytestmark = pytest.mark.anyio


class Watcher(BaseObserver):
    def __init__(self) -> None:
        self.pushes: list[FramePushed] = []

    async def on_push_frame(self, data: FramePushed) -> None:
        self.pushes.append(data)


async def test_observers_see_each_push_in_order() -> None:
    watcher, step = Watcher(), Step()
    async with running(step, observers=[watcher]) as session:
        session.clock.advance(1.5)
        await session.send(TextFrame("a"), audio())
        session.tap.push(BotStartedSpeakingFrame(), UPSTREAM)
        await settle()
        from_step = [push for push in watcher.pushes if push.source is step]
        frames = [push.frame for push in from_step]
        assert kinds(frames) == ["Start", "InputAudioRaw", "Text", "BotStartedSpeaking"]
        assert from_step[0].destination is session.tap
        assert from_step[0].direction is FrameDirection.DOWNSTREAM
        assert from_step[0].timestamp == 100_000_000_000
        assert from_step[1].timestamp == 101_500_000_000
        assert from_step[-1].direction is FrameDirection.UPSTREAM


async def test_observers_see_the_last_frame_before_the_task_says_that_it_has_finished() -> None:
    watcher = Watcher()
    session = Session(observers=[watcher])
    seen_at_the_end: list[str] = []

    @session.task.event_handler("on_pipeline_finished")
    async def look(*_: object) -> None:
        seen_at_the_end.extend(kinds([push.frame for push in watcher.pushes]))

    await session.task.stop_when_done()
    await session.task.run()
    assert seen_at_the_end[-1] == "End"


async def test_a_failing_observer_disturbs_neither_frames_nor_other_observers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fails(BaseObserver):
        async def on_push_frame(self, data: FramePushed) -> None:
            if isinstance(data.frame, TextFrame):
                raise LookupError("on purpose")
            cancelled = asyncio.ensure_future(asyncio.sleep(0))
            cancelled.cancel()
            await cancelled

    watcher = Watcher()
    async with running(observers=[Fails(), watcher]) as session:
        await session.send(TextFrame("a"), EndFrame())
        assert session.task.has_finished()
        assert kinds([push.frame for push in watcher.pushes])[-1] == "End"
    assert "the observer Fails failed" in caplog.text


class Slow(Watcher):
    """Waits before each push until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def on_push_frame(self, data: FramePushed) -> None:
        await self.gate.wait()
        self.pushes.append(data)


async def test_a_slow_observer_delays_no_frame_and_still_sees_them_in_order() -> None:
    slow = Slow()
    session = Session(Step(), observers=[slow])
    run = asyncio.ensure_future(session.task.run())
    await session.send(TextFrame("a"), TextFrame("b"), EndFrame())
    assert kinds(session.tap.down) == ["Start", "Text", "Text", "End"]
    assert not run.done()
    slow.gate.set()
    await run
    to_tap = [push.frame for push in slow.pushes if push.destination is session.tap]
    assert to_tap == session.tap.down


async def test_an_observer_that_hangs_is_given_up_at_the_end() -> None:
    before = other_tasks()
    session = Session(observers=[Slow()])
    run = asyncio.ensure_future(session.task.run())
    await session.send(EndFrame())
    assert not run.done()
    session.clock.advance(2.0)
    await run
    assert other_tasks() == before


async def test_what_waits_for_a_slow_observer_is_bounded() -> None:
    watcher = Watcher()
    relay = ObserverRelay([watcher], clock=VirtualClock(), max_pending=3)
    source, destination = Tap(), Tap()
    frames = [TextFrame(str(number)) for number in range(5)]
    for frame in frames:
        relay.tell(source, destination, frame, DOWNSTREAM)
    assert relay.num_dropped == 2
    task = asyncio.ensure_future(relay.run())
    await relay.wait_until_drained()
    assert [push.frame for push in watcher.pushes] == frames[2:]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_base_observer_does_nothing() -> None:
    async with running(observers=[BaseObserver()]) as session:
        await session.send(EndFrame())
        assert session.task.has_finished()
