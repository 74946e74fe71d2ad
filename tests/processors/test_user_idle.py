"""A caller who has fallen silent."""

import asyncio
from collections.abc import Callable

import pytest

from tests.services.rig import running
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputDTMFFrame,
    KeypadEntry,
    TextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, Pipeline, PipelineTask
from voicewire.processors import UserIdleProcessor
from voicewire.testing import VirtualClock

pytestmark = pytest.mark.anyio


class Callback:
    """Notes each `retry_count`; returns `answer`, raises `failure`, or waits for `may_return`."""

    def __init__(self, answer: bool | None = None, failure: BaseException | None = None) -> None:
        self.counts: list[int] = []
        self.answer = answer
        self.failure = failure
        self.may_return = asyncio.Event()
        self.may_return.set()
        self.num_cancelled = 0

    async def __call__(self, processor: UserIdleProcessor, retry_count: int) -> bool | None:
        self.counts.append(retry_count)
        try:
            await self.may_return.wait()
        except asyncio.CancelledError:
            self.num_cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return self.answer


def bot_spoke() -> list[Frame]:
    return [BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()]


def in_conversation() -> list[Frame]:
    return [ClientConnectedFrame(), *bot_spoke()]


async def test_silence_after_the_bot_has_spoken_is_noticed() -> None:
    callback = Callback()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(9.9)
        await rig.settle()
        assert callback.counts == []
        rig.clock.advance(0.1)
        await rig.settle()
        assert callback.counts == [1]


async def test_the_callback_can_let_the_bot_speak() -> None:
    async def ask(idle: UserIdleProcessor, retry_count: int) -> None:
        await idle.push_frame(TextFrame(f"Still there? {retry_count}"))

    async with running(UserIdleProcessor(10, ask)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(10)
        await rig.wait_for(TextFrame)
        assert [frame.text for frame in rig.all_of(TextFrame)] == ["Still there? 1"]


async def test_it_asks_again_until_the_caller_speaks() -> None:
    callback = Callback(answer=True)
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        for _ in range(3):
            rig.clock.advance(10)
            await rig.settle()
        assert callback.counts == [1, 2, 3]
        await rig.send(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
        rig.clock.advance(10)
        await rig.settle()
        assert callback.counts == [1, 2, 3, 1]


async def test_false_ends_the_asking_until_the_next_caller() -> None:
    callback = Callback(answer=False)
    async with running(UserIdleProcessor(10, callback)) as rig:
        for frames in (in_conversation(), bot_spoke(), in_conversation()):
            await rig.send(*frames)
            for _ in range(2):
                rig.clock.advance(10)
                await rig.settle()
        assert callback.counts == [1, 1]


async def test_it_asks_no_more_than_max_retries_in_a_row() -> None:
    callback = Callback()
    async with running(UserIdleProcessor(10, callback, max_retries=2)) as rig:
        await rig.send(*in_conversation())
        for _ in range(5):
            rig.clock.advance(10)
            await rig.settle()
        assert callback.counts == [1, 2]
        assert rig.clock.num_timers == 0
        await rig.send(TranscriptionFrame("Yes", "", ""))
        rig.clock.advance(10)
        await rig.settle()
        assert callback.counts == [1, 2, 1]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame),
        (UserStartedSpeakingFrame, UserStoppedSpeakingFrame),
        (
            lambda: FunctionCallInProgressFrame("f", "id", {}),
            lambda: FunctionCallResultFrame("f", "id", {}, None),
        ),
        (
            lambda: FunctionCallInProgressFrame("f", "id", {}),
            lambda: FunctionCallCancelFrame("f", "id"),
        ),
    ],
)
async def test_nobody_is_idle_while_something_goes_on(
    begin: Callable[[], Frame], end: Callable[[], Frame]
) -> None:
    callback = Callback()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(5)
        await rig.send(begin())
        rig.clock.advance(60)
        await rig.settle()
        await rig.send(end())
        rig.clock.advance(9.9)
        await rig.settle()
        assert callback.counts == []
        rig.clock.advance(0.1)
        await rig.settle()
        assert callback.counts == [1]


@pytest.mark.parametrize(
    "sign", [lambda: TranscriptionFrame("Hi", "", ""), lambda: InputDTMFFrame(KeypadEntry.ONE)]
)
async def test_a_sign_of_life_begins_the_silence_anew(sign: Callable[[], Frame]) -> None:
    callback = Callback()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(6)
        await rig.send(sign())
        rig.clock.advance(6)
        await rig.settle()
        assert callback.counts == []


async def test_what_comes_upstream_counts() -> None:
    callback = Callback()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(5)
        await rig.task.queue_frame(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)
        rig.clock.advance(60)
        await rig.settle()
        assert callback.counts == []


@pytest.mark.parametrize(
    "frames",
    [
        bot_spoke(),
        [ClientConnectedFrame()],
        [ClientConnectedFrame(), TextFrame("x")],
        [*in_conversation(), ClientDisconnectedFrame()],
        [*in_conversation(), ClientDisconnectedFrame(), ClientConnectedFrame()],
        [*in_conversation(), EndFrame()],
    ],
)
async def test_nobody_is_asked_without_a_conversation(frames: list[Frame]) -> None:
    callback = Callback()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*frames)
        rig.clock.advance(60)
        await rig.settle()
    assert callback.counts == []


async def test_one_callback_runs_at_a_time() -> None:
    callback = Callback()
    callback.may_return.clear()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(10)
        await rig.settle()
        await rig.send(*bot_spoke())
        rig.clock.advance(60)
        await rig.settle()
        assert callback.counts == [1]
        callback.may_return.set()
        await rig.settle()
        rig.clock.advance(10)
        await rig.settle()
        assert callback.counts == [1, 2]


async def test_a_callback_about_a_caller_who_has_left_is_cancelled() -> None:
    callback = Callback(answer=False)
    callback.may_return.clear()
    async with running(UserIdleProcessor(10, callback)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(10)
        await rig.settle()
        await rig.send(ClientDisconnectedFrame(), *in_conversation())
        await rig.settle()
        assert callback.num_cancelled == 1
        rig.clock.advance(10)
        await rig.settle()
        assert callback.counts == [1, 1]


async def test_a_callback_that_cannot_be_cancelled_ends_nothing_for_the_next_caller() -> None:
    counts: list[int] = []
    may_return = asyncio.Event()

    async def stubborn(_: UserIdleProcessor, retry_count: int) -> bool:
        counts.append(retry_count)
        try:
            await may_return.wait()
        except asyncio.CancelledError:
            return False
        return True

    async with running(UserIdleProcessor(10, stubborn)) as rig:
        await rig.send(*in_conversation())
        rig.clock.advance(10)
        await rig.settle()
        await rig.send(*in_conversation())
        await rig.settle()
        rig.clock.advance(10)
        await rig.settle()
        assert counts == [1, 1]
        may_return.set()


@pytest.mark.parametrize("failure", [OSError("no line"), asyncio.CancelledError()])
async def test_a_callback_that_fails_is_reported_and_the_conversation_goes_on(
    failure: BaseException,
) -> None:
    callback = Callback(failure=failure)
    errors: list[str] = []
    clock = VirtualClock()
    task = PipelineTask(Pipeline([UserIdleProcessor(10, callback)]), clock=clock)

    @task.event_handler("on_pipeline_error")
    async def on_error(_: PipelineTask, frame: Frame) -> None:
        errors.append(getattr(frame, "error", ""))

    run = asyncio.create_task(task.run())
    for _ in range(20):
        await asyncio.sleep(0)
    await task.queue_frames(in_conversation())
    for _ in range(2):
        clock.advance(10)
        for _ in range(20):
            await asyncio.sleep(0)
    await task.cancel()
    await run
    assert callback.counts == [1, 2]
    assert len(errors) == 2
    assert "in the idle callback" in errors[0]


async def test_nothing_is_left_with_the_clock_at_the_end() -> None:
    async with running(UserIdleProcessor(10, Callback())) as rig:
        await rig.send(*in_conversation())
        assert rig.clock.num_timers == 1
    assert rig.clock.num_timers == 0


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than 0"):
        UserIdleProcessor(0, Callback())
    with pytest.raises(ConfigurationError, match="1 or more"):
        UserIdleProcessor(1, Callback(), max_retries=0)
    with pytest.raises(TypeError, match="async def"):
        UserIdleProcessor(1, lambda *_: None)  # type: ignore[arg-type]
