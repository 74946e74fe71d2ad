"""Processors: inline and asynchronous, their order, errors and helper tasks."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.pipeline.fakes import (
    Gate,
    Step,
    Tap,
    TextStep,
    audio,
    kinds,
    other_tasks,
    running,
    settle,
    texts,
)
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    SystemFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)
from voicewire.pipeline import (
    FrameDirection,
    FrameProcessor,
    InlineProcessor,
    Pipeline,
    PipelineTask,
    Processor,
)
from voicewire.pipeline.mailbox import Mailbox
from voicewire.pipeline.processor import UPSTREAM

pytestmark = pytest.mark.anyio


def bot_audio() -> OutputAudioRawFrame:
    return OutputAudioRawFrame(bytes(2), 24000, 1)


async def test_an_asynchronous_step_sees_every_frame_and_passes_it_on() -> None:
    step = Step()
    async with running(step) as session:
        await session.send(TextFrame("a"), audio(), TextFrame("b"))
        assert kinds(step.seen) == ["Start", "InputAudioRaw", "Text", "Text"]
        assert session.tap.down == step.seen


async def test_steps_see_frames_that_go_upstream() -> None:
    step = Step()
    before = Tap()
    async with running(before, step) as session:
        session.tap.push(BotStartedSpeakingFrame(), UPSTREAM)
        await settle()
        assert kinds(before.up) == ["BotStartedSpeaking"]
        assert step.seen[-1] is before.up[0]


async def test_an_inline_step_passes_frames_on_before_push_returns() -> None:
    async with running(Tap(), Tap()) as session:
        session.task._head.push(TextFrame("a"))
        assert texts(session.tap.down) == ["a"]


async def test_data_keeps_its_order_through_a_step_that_handles_only_some() -> None:
    gate = Gate()
    step = TextStep(gate)
    async with running(step) as session:
        await session.send(TextFrame("a"), bot_audio(), TextFrame("b"), bot_audio())
        assert kinds(session.tap.down) == ["Start"]
        gate.open()
        await settle()
        assert kinds(session.tap.down) == [
            "Start",
            "Text",
            "OutputAudioRaw",
            "Text",
            "OutputAudioRaw",
        ]
        assert kinds(step.seen) == ["Text", "Text"]


async def test_unhandled_data_passes_an_idle_step_at_once() -> None:
    async with running(TextStep()) as session:
        await settle()
        session.task._head.push(EndFrame())
        assert kinds(session.tap.down) == ["Start", "End"]


async def test_unhandled_system_frames_pass_a_busy_step_at_once() -> None:
    async with running(TextStep(Gate())) as session:
        await session.send(TextFrame("a"))
        session.task._head.push(audio())
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw"]


async def test_the_start_frame_comes_first_also_through_a_step_that_starts_slowly() -> None:
    class Slow(Step):
        handles = (StartFrame, UserStartedSpeakingFrame)

    gate = Gate(StartFrame)
    async with running(Slow(gate)) as session:
        await session.send(audio(), TextFrame("a"), audio())
        assert session.tap.down == []
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw", "InputAudioRaw", "Text"]


async def test_what_waited_for_the_start_is_not_overtaken() -> None:
    class Slow(Step):
        handles = (StartFrame, UserStartedSpeakingFrame)

    gate = Gate(StartFrame)
    busy = Gate(UserStartedSpeakingFrame)

    async def work(frame: Frame) -> None:
        await gate(frame)
        await busy(frame)

    async with running(Slow(work)) as session:
        first, second = audio(), audio()
        await session.send(UserStartedSpeakingFrame(), first)
        gate.open()
        await settle()
        await session.send(second)
        assert kinds(session.tap.down) == ["Start"]
        busy.open()
        await settle()
        assert session.tap.down[2:] == [first, second]
        session.task._head.push(audio())
        assert len(session.tap.down) == 5


async def test_frames_before_the_end_are_processed_before_it() -> None:
    gate = Gate()
    async with running(Step(gate), Step()) as session:
        await session.send(TextFrame("a"), TextFrame("b"), EndFrame())
        assert session.event_names() == ["on_pipeline_started"]
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "Text", "Text", "End"]
        assert session.event_names()[-1] == "on_pipeline_finished"


async def test_an_interruption_never_drops_the_end() -> None:
    gate = Gate()
    async with running(Step(gate)) as session:
        await session.send(TextFrame("a"), TextFrame("b"), EndFrame(), InterruptionFrame())
        assert kinds(session.tap.down) == ["Start", "Interruption", "End"]


async def test_an_interruption_cuts_off_and_the_step_works_on() -> None:
    gate = Gate()
    step = TextStep(gate)
    async with running(step) as session:
        await session.send(TextFrame("old"), TextFrame("waits"))
        await session.send(InterruptionFrame())
        gate.open()
        await session.send(TextFrame("new"))
        assert texts(step.cut_off) == ["old"]
        assert texts(session.tap.down) == ["new"]


async def test_a_step_that_asks_for_an_interruption_is_cut_off_by_it() -> None:
    class Asks(Step):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            if isinstance(frame, TextFrame) and frame.text == "stop":
                await self.push_frame(InterruptionFrame(), UPSTREAM)
                await asyncio.sleep(0)
                raise AssertionError("it should have been cut off")
            await super().process_frame(frame, direction)

    before, gate = Tap(), Gate()
    async with running(before, Asks(), Step(gate)) as session:
        await session.send(TextFrame("playing"), TextFrame("stop"), TextFrame("dropped"))
        assert "Interruption" in kinds(before.up)
        assert "Interruption" in kinds(before.down)
        gate.open()
        await session.send(TextFrame("new"))
        assert texts(session.tap.down) == ["new"]
        assert kinds(session.tap.down) == ["Start", "Interruption", "Text"]
        assert session.errors == []


async def test_a_caller_who_leaves_is_forgotten_everywhere() -> None:
    first, second = Step(Gate(InputAudioRawFrame)), TextStep(Gate())
    async with running(first, second) as session:
        await session.send(TextFrame("a"))
        await session.send(audio(), audio(), TextFrame("b"))
        await session.send(ClientDisconnectedFrame())
        assert kinds(first.cut_off) == ["InputAudioRaw"]
        assert texts(second.cut_off) == ["a"]
        assert kinds(session.tap.down) == ["Start", "ClientDisconnected"]
        assert session.errors == []


async def test_the_end_survives_a_caller_who_leaves() -> None:
    async with running(Step(Gate())) as session:
        await session.send(TextFrame("a"), EndFrame(), ClientDisconnectedFrame())
        assert kinds(session.tap.down) == ["Start", "ClientDisconnected", "End"]


class Fails(InlineProcessor):
    """Fails on frames of one type, before or after passing them on."""

    def __init__(self, kind: type[Frame], *, passes_on: bool) -> None:
        super().__init__()
        self._kind = kind
        self._passes_on = passes_on

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        is_wrong = isinstance(frame, self._kind)
        if self._passes_on or not is_wrong:
            self.push(frame, direction)
        if is_wrong:
            raise LookupError("on purpose")


class FailsLater(FrameProcessor):
    """The same, asynchronously."""

    def __init__(self, kind: type[Frame], *, passes_on: bool) -> None:
        super().__init__()
        self._inner = Fails(kind, passes_on=passes_on)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await asyncio.sleep(0)
        is_wrong = isinstance(frame, self._inner._kind)
        if self._inner._passes_on or not is_wrong:
            await self.push_frame(frame, direction)
        if is_wrong:
            raise LookupError("on purpose")


FailingStep = Callable[..., Processor]
FAILING = pytest.mark.parametrize("failing", [Fails, FailsLater])


@FAILING
async def test_a_failure_becomes_an_error_and_the_session_goes_on(
    failing: FailingStep, caplog: pytest.LogCaptureFixture
) -> None:
    step = failing(TextFrame, passes_on=False)
    async with running(step) as session:
        await session.send(TextFrame("a"), audio())
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw"]
        error = session.events[1][2]
        assert session.events[1][:2] == ("on_pipeline_error", session.task)
        assert error.error == "LookupError while processing TextFrame: on purpose"
        assert isinstance(error.exception, LookupError)
        assert error.processor is step
        assert not error.fatal
        assert "Traceback" in caplog.text


@FAILING
@pytest.mark.parametrize("passes_on", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", [StartFrame, EndFrame, CancelFrame, ClientDisconnectedFrame])
async def test_a_lifecycle_frame_goes_on_once_from_a_step_that_fails_on_it(
    failing: FailingStep, passes_on: bool, kind: type[Frame]
) -> None:
    async with running(failing(kind, passes_on=passes_on)) as session:
        if kind is not StartFrame:
            await session.send(kind())
        await settle()
        assert kinds(session.tap.down).count(kind.__name__.removesuffix("Frame")) == 1
        assert len(session.errors) == 1


@FAILING
async def test_a_fatal_error_gets_through_a_step_that_fails_on_errors(
    failing: FailingStep,
) -> None:
    async with running(failing(ErrorFrame, passes_on=False), Step()) as session:
        session.tap.report_error("broken", fatal=True)
        await settle()
        assert session.task.has_finished()


async def test_a_fatal_error_ends_the_session() -> None:
    step = Step()
    async with running(step) as session:
        await session.send(TextFrame("a"))
        await step.push_error("broken", fatal=True)
        await settle()
        assert session.event_names()[1:] == ["on_pipeline_error", "on_pipeline_finished"]
        last = session.events[-1][2]
        assert isinstance(last, CancelFrame)
        assert last.reason == "broken"


async def test_a_handler_that_awaits_something_cancelled_has_failed_but_goes_on() -> None:
    async def work(frame: Frame) -> None:
        if isinstance(frame, TextFrame | EndFrame):
            cancelled = asyncio.ensure_future(asyncio.sleep(0))
            cancelled.cancel()
            await cancelled

    async with running(Step(work)) as session:
        await session.send(TextFrame("a"), audio(), EndFrame())
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw", "End"]
        assert session.errors == [
            f"RuntimeError while processing {kind}: it awaited something that was cancelled"
            for kind in ("TextFrame", "EndFrame")
        ]


async def test_a_failure_in_on_system_frame_is_reported_and_the_frame_goes_on_once() -> None:
    class Watches(FrameProcessor):
        handles = (TextFrame,)

        def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
            raise LookupError("on purpose")

    async with running(Watches()) as session:
        await session.send(audio())
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw"]
        assert len(session.errors) == 2


async def test_on_system_frame_sees_frames_before_they_wait() -> None:
    seen: list[Frame] = []

    class Watches(Step):
        def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
            seen.append(frame)

    async with running(Watches(Gate())) as session:
        await session.send(TextFrame("busy"))
        session.task._head.push(audio())
        assert kinds(seen) == ["Start", "InputAudioRaw"]
        assert kinds(session.tap.down) == ["Start"]


async def test_an_overflowing_mailbox_is_reported_once_until_it_has_half_emptied() -> None:
    turns = asyncio.Semaphore(0)

    async def work(frame: Frame) -> None:
        await turns.acquire()

    step = TextStep(work)
    step._mailbox = Mailbox(name="small", max_frames=4)
    async with running(step) as session:
        await session.send(TextFrame("in hand"))
        await session.send(*(TextFrame(str(number)) for number in range(7)))
        assert session.errors == ["the mailbox of small is full (4 frames)"]
        assert step._mailbox.num_dropped == 3
        for _ in range(3):  # It handles one frame at a time and is filled up again.
            turns.release()
            await settle()
            await session.send(TextFrame("x"), TextFrame("y"))
        assert len(session.errors) == 1
        for _ in range(5):
            turns.release()
        await settle()
        assert texts(session.tap.down) == ["in hand", "0", "1", "2", "3", "x", "x", "x"]
        await session.send(TextFrame("in hand"))
        await session.send(*(TextFrame(str(number)) for number in range(7)))
        assert len(session.errors) == 2


async def test_a_full_queue_is_reported_once_while_the_other_has_room() -> None:
    step = Step(Gate())
    step._mailbox = Mailbox(name="small", max_frames=2)
    async with running(step) as session:
        await session.send(TextFrame("in hand"))
        for _ in range(6):
            await session.send(TextFrame("x"), audio())
        assert len(session.errors) == 1


async def test_too_many_messages_of_the_client_are_reported_once_while_they_are_handled() -> None:
    turns = asyncio.Semaphore(0)

    async def work(frame: Frame) -> None:
        if isinstance(frame, InputTransportMessageFrame):
            await turns.acquire()

    step = Step(work)
    step._mailbox = Mailbox(name="small", max_messages=4)
    async with running(step) as session:
        for _ in range(4):  # It handles one at a time and is filled up again.
            await session.send(*(InputTransportMessageFrame({}) for _ in range(7)))
            turns.release()
            await settle()
        assert session.errors == ["the mailbox of small is full (4 messages of the client)"]


async def test_a_helper_task_that_fails_becomes_an_error() -> None:
    step = Step()

    async def helper() -> None:
        raise LookupError("on purpose")

    async with running(step) as session:
        step.create_task(helper())
        await session.send(TextFrame("a"))
        assert session.errors == ["LookupError in helper: on purpose"]
        assert texts(session.tap.down) == ["a"]


async def test_helper_tasks_end_with_the_session() -> None:
    step = Step()
    ended: list[str] = []

    async def helper() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("helper")
            step.create_task(another())

    async def another() -> None:
        ended.append("should not have begun")

    before = other_tasks()
    async with running(step):
        step.create_task(helper())
        step.create_task(helper())
        await settle()
    assert ended == ["helper", "helper"]
    assert other_tasks() == before


async def test_a_helper_task_that_never_began_leaves_no_warning() -> None:
    step = Step()
    async with running(step):
        step.create_task(asyncio.sleep(0, None)).cancel()
        await settle()


async def test_helper_tasks_need_a_running_pipeline() -> None:
    step = Step()
    with pytest.raises(RuntimeError, match="is not part of a running pipeline yet"):
        step.create_task(asyncio.sleep(0, None))
    async with running(step):
        pass
    with pytest.raises(RuntimeError):
        step.create_task(asyncio.sleep(0, None))


async def test_cancel_task_returns_when_the_task_has_ended() -> None:
    step = Step()
    ended: list[bool] = []

    async def helper() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async with running(step):
        task = step.create_task(helper(), "helper")
        await settle()
        await step.cancel_task(task)
        assert ended == [True]
        assert task.cancelled()


async def test_broadcast_goes_both_ways_with_two_frames() -> None:
    before, step = Tap(), Step()
    async with running(before, step) as session:
        await step.broadcast_frame(ErrorFrame, error="both")
        await settle()
        assert isinstance(before.up[-1], ErrorFrame)
        assert isinstance(session.tap.down[-1], ErrorFrame)
        assert before.up[-1] is not session.tap.down[-1]


@pytest.mark.parametrize(
    ("what", "named"),
    [(None, "NoneType"), ("text", "str"), (TextFrame, "the class TextFrame")],
    ids=str,
)
async def test_pushing_what_is_no_frame_becomes_an_error(what: Any, named: str) -> None:
    step: Step

    async def work(frame: Frame) -> None:
        if isinstance(frame, TextFrame):
            await step.push_frame(what)

    step = Step(work)
    async with running(step) as session:
        await session.send(TextFrame("a"), EndFrame())
        assert kinds(session.tap.down) == ["Start", "End"]
        (error,) = session.errors
        assert error.endswith(f"expected an instance of Frame, got {named}")


async def test_broadcasting_what_is_no_frame_is_refused() -> None:
    before, step = Tap(), Step()
    not_frames: Any = dict
    async with running(before, step) as session:
        with pytest.raises(TypeError, match="expected an instance of Frame, got dict"):
            await step.broadcast_frame(not_frames, error="both")
        assert before.up == []
        assert kinds(session.tap.down) == ["Start"]


async def test_what_is_no_frame_gets_from_an_inline_step_into_no_mailbox() -> None:
    class Faulty(InlineProcessor):
        def process(self, frame: Frame, direction: FrameDirection) -> None:
            nothing: Any = None
            self.push(nothing if isinstance(frame, TextFrame) else frame, direction)

    step = Step()
    async with running(Faulty(), step) as session:
        await session.send(TextFrame("a"), EndFrame())
        assert kinds(step.seen) == ["Start", "End"]
        (error,) = session.errors
        assert error.endswith("expected an instance of Frame, got NoneType")


async def test_a_processor_of_a_running_pipeline_cannot_serve_another() -> None:
    shared = Tap()
    waiting = PipelineTask(Pipeline([shared]))
    async with running(shared) as session:
        with pytest.raises(ConfigurationError, match="make a new one for each session"):
            Pipeline([shared])
        with pytest.raises(ConfigurationError, match="make a new one for each session"):
            await waiting.run()
        with pytest.raises(ConfigurationError, match="make a new one for each session"):
            await PipelineTask(session.task.pipeline).run()
        assert shared.num_cleanups == session.tap.num_cleanups == 0
        assert not session.task.has_finished()


async def test_a_pipeline_can_be_run_again_by_another_task() -> None:
    step, tap = Step(), Tap()
    pipeline = Pipeline([step, tap])
    for text in ("first", "second"):
        task = PipelineTask(pipeline)
        await task.queue_frames([TextFrame(text), EndFrame()])
        await task.run()
    assert texts(tap.down) == ["first", "second"]


async def test_names_count_the_processors_of_a_kind() -> None:
    class Unique(Tap):
        pass

    first, second = (int(str(Unique()).removeprefix("Unique#")) for _ in range(2))
    assert second == first + 1


async def test_a_push_without_a_neighbour_goes_nowhere() -> None:
    Tap().push(TextFrame("a"))


async def test_errors_are_logged_without_the_frames_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(Fails(TextFrame, passes_on=False)) as session:
        await session.send(TextFrame("my secret"))
    assert "my secret" not in caplog.text
