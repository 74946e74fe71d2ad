"""Tasks: beginning, ending in every way, events, idleness, and what is left afterwards."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.pipeline.fakes import (
    Gate,
    Session,
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
from voicewire.errors import ConfigurationError, QueueFullError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
    TextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import (
    BaseObserver,
    FrameDirection,
    FrameProcessor,
    FramePushed,
    InlineProcessor,
    Pipeline,
    PipelineParams,
    PipelineTask,
    ProcessorSetup,
)
from voicewire.pipeline import (
    task as task_module,
)
from voicewire.pipeline.processor import DOWNSTREAM, UPSTREAM

pytestmark = pytest.mark.anyio


async def test_the_start_frame_carries_the_parameters() -> None:
    params = PipelineParams(
        audio_in_sample_rate=8000,
        audio_out_sample_rate=16000,
        allow_interruptions=False,
        enable_metrics=True,
    )
    async with running(params=params) as session:
        start = session.tap.down[0]
        assert isinstance(start, StartFrame)
        assert (start.audio_in_sample_rate, start.audio_out_sample_rate) == (8000, 16000)
        assert not start.allow_interruptions
        assert start.enable_metrics


async def test_events_come_with_their_arguments_in_order() -> None:
    async with running(Step()) as session:
        session.tap.report_error("broken")
        await session.send(EndFrame(reason="bye"))
        task = session.task
        start, end = session.tap.down[0], session.tap.down[-1]
        assert session.events == [
            ("on_pipeline_started", task, start),
            ("on_pipeline_error", task, session.events[1][2]),
            ("on_pipeline_finished", task, end),
        ]
        assert isinstance(session.events[1][2], ErrorFrame)
        assert isinstance(end, EndFrame)


async def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(ValueError, match="Did you mean 'on_pipeline_finished'"):
        PipelineTask(Pipeline([])).event_handler("on_pipeline_finish")


async def test_frames_queued_before_the_start_come_after_it_in_order() -> None:
    session = Session(Step())
    await session.task.queue_frames([TextFrame("a"), audio(), TextFrame("b")])
    await session.task.queue_frame(BotStartedSpeakingFrame(), UPSTREAM)
    await session.task.stop_when_done()
    await session.task.run()
    assert kinds(session.tap.down) == ["Start", "InputAudioRaw", "Text", "Text", "End"]
    assert kinds(session.tap.up) == ["BotStartedSpeaking"]


async def test_too_many_frames_before_the_start_are_refused_but_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_module, "MAX_EARLY_FRAMES", 2)
    session = Session()
    await session.task.queue_frames([TextFrame("a"), TextFrame("b")])
    with pytest.raises(QueueFullError, match="has not begun"):
        await session.task.queue_frame(TextFrame("c"))
    await session.task.stop_when_done()
    await session.task.run()
    assert kinds(session.tap.down) == ["Start", "Text", "Text", "End"]


async def test_frames_can_come_from_an_asynchronous_source() -> None:
    async def source() -> AsyncIterator[Frame]:
        for text in "ab":
            await asyncio.sleep(0)
            yield TextFrame(text)

    async with running() as session:
        await session.task.queue_frames(source())
        assert texts(session.tap.down) == ["a", "b"]


@pytest.mark.parametrize(
    ("what", "named"),
    [(None, "NoneType"), ("text", "str"), (TextFrame, "the class TextFrame")],
    ids=str,
)
async def test_what_is_no_frame_is_not_queued(what: Any, named: str) -> None:
    session = Session()
    with pytest.raises(TypeError, match=f"expected an instance of Frame, got {named}"):
        await session.task.queue_frame(what)
    async with running() as session:
        with pytest.raises(TypeError, match=f"expected an instance of Frame, got {named}"):
            await session.task.queue_frames([TextFrame("a"), what])
        assert kinds(session.tap.down) == ["Start", "Text"]


async def test_frames_queued_after_the_end_are_dropped() -> None:
    async with running() as session:
        await session.send(EndFrame())
        await session.send(TextFrame("late"), EndFrame(), CancelFrame())
        await session.task.cancel()
        assert kinds(session.tap.down) == ["Start", "End"]
        assert session.event_names() == ["on_pipeline_started", "on_pipeline_finished"]


async def test_a_task_runs_once() -> None:
    async with running() as session:
        with pytest.raises(RuntimeError, match="has been run before; make a new one"):
            await session.task.run()
        await session.send(EndFrame())
        with pytest.raises(RuntimeError, match="has been run before; make a new one"):
            await session.task.run()


def test_a_task_needs_a_pipeline() -> None:
    wrong: Any = [Tap()]
    with pytest.raises(ConfigurationError, match="PipelineTask runs a Pipeline"):
        PipelineTask(wrong)


async def test_has_finished_tells_when_run_is_over() -> None:
    async with running() as session:
        assert not session.task.has_finished()
        await session.send(EndFrame())
        assert session.task.has_finished()


async def test_asking_twice_for_the_end_sends_one() -> None:
    gate = Gate()
    async with running(Step(gate)) as session:
        await session.send(TextFrame("a"))
        await session.task.stop_when_done()
        await session.task.stop_when_done()
        session.tap.push(EndFrame(), UPSTREAM)
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "Text", "End"]
        assert session.task.has_finished()


@pytest.mark.parametrize("kind", [EndFrame, StopFrame, CancelFrame])
async def test_a_processor_can_ask_for_the_end(kind: type[Frame]) -> None:
    step = Step()
    async with running(step) as session:
        await step.push_frame(kind(), UPSTREAM)
        await settle()
        assert kinds(session.tap.down) == ["Start", kind.__name__.removesuffix("Frame")]
        assert isinstance(session.events[-1][2], kind)


async def test_what_is_asked_for_before_the_start_frame_comes_after_it() -> None:
    class Asks(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            self.push(InterruptionFrame(), UPSTREAM)
            self.push(EndFrame(), UPSTREAM)

    first, last = Step(), Asks()
    session = Session(first, last)
    await session.task.run()
    assert kinds(last.down) == ["Start", "Interruption", "End"]


# Cancelling


async def test_cancelling_ends_at_once_while_a_handler_hangs() -> None:
    step = Step(Gate(TextFrame, FunctionCallResultFrame, InputAudioRawFrame))
    for frame in (TextFrame("a"), FunctionCallResultFrame("f", "1", {}, ""), audio()):
        async with running(step) as session:
            await session.send(frame, TextFrame("dropped"))
            await session.task.cancel(reason="enough")
            await settle()
            assert session.task.has_finished()
            assert kinds(session.tap.down) == ["Start", "Cancel"]
            assert session.events[-1][2].reason == "enough"
        assert step.cut_off[-1] is frame


class KeepsCancellation(InlineProcessor):
    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, CancelFrame):
            self.push(frame, direction)


async def test_cancelling_twice_cancels_once() -> None:
    first = Tap()
    async with running(first, KeepsCancellation()) as session:
        await session.task.cancel()
        session.clock.advance(1.0)
        await session.task.cancel()
        session.clock.advance(1.0)
        await settle()
        assert kinds(first.down) == ["Start", "Cancel"]
        assert session.event_names() == ["on_pipeline_started", "on_pipeline_finished"]


async def test_cancelling_overtakes_the_end() -> None:
    async with running(Step(Gate())) as session:
        await session.send(TextFrame("a"), EndFrame())
        await session.task.cancel()
        await settle()
        assert kinds(session.tap.down) == ["Start", "Cancel"]


async def test_a_handler_that_swallows_its_cancellation_is_waited_for_up_to_the_timeout() -> None:
    class Stubborn(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            if isinstance(frame, TextFrame):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await asyncio.Event().wait()
            await self.push_frame(frame, direction)

    before = other_tasks()
    async with running(Stubborn(), cancel_timeout_secs=3.0) as session:
        await session.send(TextFrame("a"))
        await session.task.cancel()
        session.clock.advance(2.9)
        await settle()
        assert not session.task.has_finished()
        session.clock.advance(0.1)
        await settle()
        assert session.task.has_finished()
        assert isinstance(session.events[-1][2], CancelFrame)
    assert other_tasks() == before


async def test_a_queued_cancel_frame_has_the_timeout_too() -> None:
    async with running(KeepsCancellation()) as session:
        await session.send(CancelFrame())
        assert not session.task.has_finished()
        session.clock.advance(2.0)
        await settle()
        assert session.task.has_finished()


async def test_a_task_that_was_cancelled_before_it_ran_sets_nothing_up() -> None:
    session = Session()
    await session.task.cancel(reason="early")
    await session.task.queue_frame(TextFrame("dropped"))
    assert session.task.has_finished()
    await session.task.run()
    assert session.tap.down == []
    assert session.tap.num_cleanups == 0
    assert session.event_names() == ["on_pipeline_finished"]
    with pytest.raises(RuntimeError, match="has been run before"):
        await session.task.run()


async def test_cancelling_interrupts_the_getting_ready() -> None:
    class NeverReady(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            await asyncio.Event().wait()

    never = NeverReady()
    async with running(never) as session:
        await session.task.cancel()
        await settle()
        assert session.task.has_finished()
        assert never.num_cleanups == 1
        assert session.tap.down == []
        assert session.event_names() == ["on_pipeline_finished"]


async def test_a_fatal_error_while_getting_ready_ends_the_task_before_it_begins() -> None:
    class Broken(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            self.report_error("no microphone", fatal=True)

    session = Session(Broken())
    await session.task.run()
    assert session.tap.down == []
    assert session.event_names() == ["on_pipeline_error", "on_pipeline_finished"]


async def test_a_cancelled_run_cancels_the_pipeline_first() -> None:
    before = other_tasks()
    step = Step(Gate())
    session = Session(step, Step())
    run = asyncio.ensure_future(session.task.run())
    await session.send(TextFrame("a"))
    run.cancel()
    await settle()
    assert run.cancelled()
    assert kinds(session.tap.down) == ["Start", "Cancel"]
    assert texts(step.cut_off) == ["a"]
    assert session.tap.num_cleanups == 1
    assert session.event_names()[-1] == "on_pipeline_finished"
    assert other_tasks() == before


async def test_a_run_cancelled_twice_does_not_wait_for_the_pipeline() -> None:
    session = Session(KeepsCancellation())
    run = asyncio.ensure_future(session.task.run())
    await settle()
    run.cancel()
    await settle()
    assert not run.done()
    run.cancel()
    await settle()
    assert run.cancelled()
    assert session.tap.num_cleanups == 1


async def test_a_run_can_be_cancelled_while_it_gets_ready() -> None:
    before = other_tasks()

    class NeverReady(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            await asyncio.Event().wait()

    session = Session(NeverReady())
    run = asyncio.ensure_future(session.task.run())
    await settle()
    run.cancel()
    await settle()
    assert run.cancelled()
    assert session.tap.num_cleanups == 1
    assert other_tasks() == before


async def test_a_timeout_around_run_works() -> None:
    session = Session(Step())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await session.task.run()
    assert session.task.has_finished()


async def test_a_task_of_the_session_that_fails_ends_it_with_its_own_exception() -> None:
    class Owner(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            setup.tasks.create(self.fail(), name="fails")

        async def fail(self) -> None:
            raise LookupError("on purpose")

    session = Session(Owner())
    with pytest.raises(LookupError, match="on purpose"):
        await session.task.run()
    assert session.tap.num_cleanups == 1


# Event handlers


async def test_handlers_may_cancel_the_task() -> None:
    for name in ("on_pipeline_started", "on_pipeline_error", "on_pipeline_finished"):
        session = Session(Step())

        @session.task.event_handler(name)
        async def cancel(task: PipelineTask, frame: Frame) -> None:
            await task.cancel()

        if name != "on_pipeline_started":
            await session.task.queue_frame(ErrorFrame("broken"))
        if name == "on_pipeline_finished":
            await session.task.stop_when_done()
        await session.task.run()
        assert session.event_names()[-1] == "on_pipeline_finished"


async def test_a_slow_handler_holds_up_no_other_event() -> None:
    gate = asyncio.Event()
    session = Session(Step())

    @session.task.event_handler("on_pipeline_started")
    async def wait(task: PipelineTask, frame: Frame) -> None:
        await gate.wait()

    run = asyncio.ensure_future(session.task.run())
    await settle()
    session.tap.report_error("broken")
    await settle()
    assert session.event_names() == ["on_pipeline_started", "on_pipeline_error"]
    await session.send(EndFrame())
    assert not run.done()
    gate.set()
    await run
    assert session.event_names()[-1] == "on_pipeline_finished"


async def test_a_handler_that_hangs_holds_up_the_end_no_longer_than_the_timeout() -> None:
    before = other_tasks()
    session = Session(Step())

    @session.task.event_handler("on_pipeline_started")
    async def hang(task: PipelineTask, frame: Frame) -> None:
        await asyncio.Event().wait()

    run = asyncio.ensure_future(session.task.run())
    await session.send(EndFrame())
    assert not run.done()
    session.clock.advance(2.0)
    await run
    assert session.event_names()[-1] == "on_pipeline_finished"
    assert other_tasks() == before


async def test_a_handler_that_fails_breaks_nothing() -> None:
    session = Session()

    @session.task.event_handler("on_pipeline_started")
    async def fail(task: PipelineTask, frame: Frame) -> None:
        raise LookupError("on purpose")

    await session.task.stop_when_done()
    await session.task.run()
    assert session.event_names() == ["on_pipeline_started", "on_pipeline_finished"]


async def test_events_beyond_the_bound_are_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task_module, "MAX_EVENTS_AT_WORK", 2)
    async with running() as session:
        for _ in range(4):
            session.tap.report_error("broken")
        await settle()
        assert len(session.errors) == 2
        assert "too many events" in caplog.text
        session.tap.report_error("broken")
        await settle()
        assert len(session.errors) == 3


# Idleness


async def test_an_idle_session_ends_after_the_timeout() -> None:
    async with running(idle_timeout_secs=10.0) as session:
        session.clock.advance(9.9)
        await settle()
        assert not session.task.has_finished()
        session.clock.advance(0.1)
        await settle()
        assert session.task.has_finished()
        assert session.event_names() == [
            "on_pipeline_started",
            "on_idle_timeout",
            "on_pipeline_finished",
        ]
        assert session.events[1] == ("on_idle_timeout", session.task)
        assert session.events[2][2].reason == "idle timeout"


async def test_activity_puts_the_timeout_off() -> None:
    async with running(Step(), idle_timeout_secs=10.0) as session:
        session.clock.advance(9.0)
        await session.send(TextFrame("a"))
        session.clock.advance(9.0)
        await session.send(audio())  # A microphone that is open is no activity.
        session.clock.advance(0.9)
        await settle()
        assert not session.task.has_finished()
        session.clock.advance(0.1)
        await settle()
        assert session.task.has_finished()


@pytest.mark.parametrize(
    ("starts", "stops"),
    [
        (UserStartedSpeakingFrame, UserStoppedSpeakingFrame),
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame),
        (UserStartedSpeakingFrame, ClientDisconnectedFrame),
    ],
)
async def test_nobody_is_idle_who_speaks(starts: type[Frame], stops: type[Frame]) -> None:
    async with running(idle_timeout_secs=10.0) as session:
        await session.send(starts())
        session.clock.advance(95.0)
        await settle()
        assert "on_idle_timeout" not in session.event_names()
        await session.send(stops())
        session.clock.advance(9.9)
        await settle()
        assert "on_idle_timeout" not in session.event_names()
        session.clock.advance(0.1)
        await settle()
        assert "on_idle_timeout" in session.event_names()


async def test_the_timeout_comes_again_where_it_does_not_cancel() -> None:
    options: dict[str, Any] = {"idle_timeout_secs": 10.0, "cancel_on_idle_timeout": False}
    async with running(**options) as session:
        session.clock.advance(35.0)
        await settle()
        assert session.event_names().count("on_idle_timeout") == 3
        await session.send(TextFrame("a"))
        assert texts(session.tap.down) == ["a"]


async def test_getting_ready_is_not_idleness() -> None:
    ready = asyncio.Event()

    class Loads(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            await ready.wait()

    async with running(Loads(), idle_timeout_secs=10.0) as session:
        session.clock.advance(60.0)
        ready.set()
        await settle()
        session.clock.advance(9.9)
        await settle()
        assert session.event_names() == ["on_pipeline_started"]


async def test_the_idle_timeout_can_be_handled_by_asking_whether_anyone_is_there() -> None:
    options: dict[str, Any] = {"idle_timeout_secs": 10.0, "cancel_on_idle_timeout": False}
    async with running(**options) as session:

        @session.task.event_handler("on_idle_timeout")
        async def ask(task: PipelineTask) -> None:
            await task.queue_frame(TextFrame("Are you there?"))

        session.clock.advance(10.0)
        await settle()
        assert texts(session.tap.down) == ["Are you there?"]


# What is left


async def test_nothing_is_left_running_after_the_end() -> None:
    before = other_tasks()
    for last in (EndFrame(), StopFrame(), CancelFrame()):
        session = Session(Step(), TextStep(), Pipeline([Step()]), idle_timeout_secs=10.0)
        await session.task.queue_frames([TextFrame("a"), last])
        await session.task.run()
        assert other_tasks() == before


async def test_the_clock_keeps_no_timer_of_a_finished_task() -> None:
    class Counts:
        def __init__(self) -> None:
            self.pending: set[int] = set()
            self._next = 0

        def now(self) -> float:
            return 0.0

        def call_later(self, delay_secs: float, callback: Any) -> Any:
            self._next += 1
            number = self._next
            self.pending.add(number)
            pending = self.pending

            class Handle:
                def cancel(self) -> None:
                    pending.discard(number)

            return Handle()

    for is_cancelled in (False, True):
        clock = Counts()
        session = Session(Step(), idle_timeout_secs=300.0, clock=clock)
        run = asyncio.ensure_future(session.task.run())
        await settle()
        assert clock.pending
        await (session.task.cancel() if is_cancelled else session.task.stop_when_done())
        await run
        assert not clock.pending


async def test_the_processors_of_a_finished_task_can_be_forgotten() -> None:
    async def talk() -> list[weakref.ref[Any]]:
        step, tap = Step(), Tap()
        pipeline = Pipeline([step, tap])
        task = PipelineTask(pipeline, idle_timeout_secs=300.0)
        await task.queue_frames([TextFrame("a"), EndFrame()])
        await task.run()
        return [weakref.ref(each) for each in (step, tap, pipeline, task)]

    references = await talk()
    await settle()
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


async def test_a_failed_start_keeps_nothing_alive_once_its_exception_is_gone() -> None:
    class Fails(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            raise LookupError("on purpose")

    async def fail() -> weakref.ref[Any]:
        step = Step()
        with pytest.raises(LookupError):
            await PipelineTask(Pipeline([step, Fails()])).run()
        return weakref.ref(step)

    reference = await fail()
    await settle()
    gc.collect()
    assert reference() is None


async def test_many_sessions_run_side_by_side() -> None:
    async def talk(number: int) -> list[str]:
        session = Session(Step(), Step())
        await session.task.queue_frames([TextFrame(str(number)), EndFrame()])
        await session.task.run()
        return texts(session.tap.down)

    said = await asyncio.gather(*(talk(number) for number in range(50)))
    assert said == [[str(number)] for number in range(50)]


async def test_an_error_sent_downstream_is_reported_too() -> None:
    async with running() as session:
        session.tap.push(ErrorFrame("from the tail"), DOWNSTREAM)
        await settle()
        assert session.errors == ["from the tail"]


async def test_what_processors_ask_for_before_the_start_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_module, "MAX_EARLY_FRAMES", 2)

    class Asks(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            for _ in range(5):
                self.push(InterruptionFrame(), UPSTREAM)

    async with running(Asks()) as session:
        assert kinds(session.tap.down) == ["Start", "Interruption", "Interruption"]


async def test_observers_and_the_idle_timeout_can_be_had_together() -> None:
    pushes: list[Frame] = []

    class Watches(BaseObserver):
        async def on_push_frame(self, data: FramePushed) -> None:
            pushes.append(data.frame)

    async with running(observers=[Watches()], idle_timeout_secs=10.0) as session:
        session.clock.advance(9.0)
        await session.send(TextFrame("a"))
        session.clock.advance(9.0)
        await settle()
        assert not session.task.has_finished()
        assert texts(pushes)
        session.clock.advance(1.0)
        await settle()
        assert session.task.has_finished()


async def test_an_error_as_the_session_ends_is_dropped_quietly() -> None:
    class ReportsAtTheEnd(Tap):
        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            setup.tasks.create(self.report(), name="reports")

        async def report(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.report_error("too late")

    async with running(ReportsAtTheEnd()) as session:
        await session.send(EndFrame())
        assert session.task.has_finished()
        assert session.errors == []
