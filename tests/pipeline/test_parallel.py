"""Branches side by side."""

import gc
from typing import Any

import pytest

from tests.pipeline.fakes import Gate, Step, Tap, TextStep, audio, kinds, running, settle, texts
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
    TextFrame,
)
from voicewire.pipeline import (
    FrameDirection,
    FrameProcessor,
    InlineProcessor,
    ParallelPipeline,
    parallel,
)
from voicewire.pipeline.processor import DOWNSTREAM, UPSTREAM

pytestmark = pytest.mark.anyio


class Swallows(InlineProcessor):
    """Keeps frames of some types."""

    def __init__(self, *kinds: type[Frame]) -> None:
        super().__init__()
        self._kinds = kinds

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, self._kinds):
            self.push(frame, direction)


async def test_each_branch_gets_every_frame_and_each_frame_leaves_once() -> None:
    first, second, third = Tap(), Step(), Step()
    async with running(ParallelPipeline([first], [second], [third])) as session:
        sent = [TextFrame("a"), audio(), TextFrame("b")]
        await session.send(*sent)
        assert texts(first.down) == texts(second.seen) == texts(third.seen) == ["a", "b"]
        assert session.tap.down[1:] == sent


async def test_frames_that_one_branch_keeps_leave_from_the_other() -> None:
    async with running(ParallelPipeline([Swallows(TextFrame)], [Step()])) as session:
        await session.send(TextFrame("a"))
        assert texts(session.tap.down) == ["a"]


async def test_frames_that_a_branch_makes_leave_too() -> None:
    class Doubles(InlineProcessor):
        def process(self, frame: Frame, direction: FrameDirection) -> None:
            self.push(frame, direction)
            if isinstance(frame, TextFrame):
                self.push(TextFrame(frame.text * 2), direction)

    async with running(ParallelPipeline([Doubles()], [Doubles()])) as session:
        await session.send(TextFrame("a"))
        assert texts(session.tap.down) == ["a", "aa", "aa"]


async def test_frames_go_upstream_once_too() -> None:
    before = Tap()
    async with running(before, ParallelPipeline([Step()], [Tap()])) as session:
        session.tap.push(BotStartedSpeakingFrame(), UPSTREAM)
        await settle()
        assert kinds(before.up) == ["BotStartedSpeaking"]


async def test_an_error_in_a_branch_is_reported_once() -> None:
    inner = Tap()
    async with running(ParallelPipeline([inner], [Tap()])) as session:
        inner.report_error("broken")
        await settle()
        assert session.errors == ["broken"]


async def test_an_interruption_asked_for_in_a_branch_comes_out_below() -> None:
    asks = Tap()
    async with running(ParallelPipeline([asks], [Step()])) as session:
        asks.push(InterruptionFrame(), UPSTREAM)
        await settle()
        assert kinds(session.tap.down) == ["Start", "Interruption"]


async def test_the_same_frame_can_pass_again() -> None:
    frame = TextFrame("again")
    async with running(ParallelPipeline([Tap()], [Step()])) as session:
        for _ in range(3):
            await session.send(frame)
        assert texts(session.tap.down) == ["again"] * 3


@pytest.mark.parametrize("kind", [EndFrame, StopFrame])
async def test_the_end_waits_for_every_branch(kind: type[Frame]) -> None:
    gate = Gate()
    async with running(ParallelPipeline([Tap()], [Step(gate)])) as session:
        await session.send(TextFrame("a"), kind())
        assert kinds(session.tap.down) == ["Start", "Text"]
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "Text", kind.__name__.removesuffix("Frame")]


async def test_a_caller_has_left_when_every_branch_has_let_go_of_them() -> None:
    gate = Gate(ClientDisconnectedFrame)
    async with running(ParallelPipeline([Tap()], [Step(gate)])) as session:
        await session.send(ClientDisconnectedFrame())
        await settle()
        assert kinds(session.tap.down) == ["Start"]
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "ClientDisconnected"]


async def test_nothing_overtakes_the_start_of_a_slow_branch() -> None:
    gate = Gate(StartFrame)
    async with running(ParallelPipeline([Tap()], [Step(gate)])) as session:
        await session.send(audio(), TextFrame("a"))
        assert session.tap.down == []
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw", "Text"]
        session.task._head.push(TextFrame("b"))
        assert texts(session.tap.down) == ["a", "b"]


async def test_an_interruption_drops_what_waits_for_a_slow_start() -> None:
    gate = Gate(StartFrame)
    async with running(ParallelPipeline([Tap()], [Step(gate)])) as session:
        await session.send(audio(), TextFrame("old"), InterruptionFrame(), TextFrame("new"))
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "InputAudioRaw", "Interruption", "Text"]
        assert texts(session.tap.down) == ["new"]


async def test_a_caller_who_leaves_takes_along_what_waits_for_a_slow_start() -> None:
    gate = Gate(StartFrame)
    async with running(ParallelPipeline([Tap()], [Step(gate)])) as session:
        await session.send(audio(), TextFrame("theirs"), ErrorFrame("kept"))
        await session.send(ClientDisconnectedFrame())
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "Error", "ClientDisconnected"]


async def test_a_cancellation_does_not_wait_for_a_slow_start() -> None:
    async with running(ParallelPipeline([Tap()], [Step(Gate(StartFrame))])) as session:
        await session.send(audio(), CancelFrame())
        assert kinds(session.tap.down) == ["Cancel"]
        assert session.task.has_finished()


async def test_what_waits_for_a_slow_start_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "MAX_HELD", 2)
    gate = Gate(StartFrame)
    branches = ParallelPipeline([Tap()], [Step(gate)])
    async with running(branches) as session:
        await session.send(*(TextFrame(text) for text in "abcd"))
        gate.open()
        await settle()
        assert branches.num_dropped == 2
        assert texts(session.tap.down) == ["c", "d"]


async def test_what_comes_out_while_the_row_is_let_go_goes_to_its_end() -> None:
    class Answers(InlineProcessor):
        def process(self, frame: Frame, direction: FrameDirection) -> None:
            self.push(frame, direction)
            if isinstance(frame, TextFrame) and frame.text == "a":
                self.push(InterruptionFrame(), UPSTREAM)

    gate = Gate(StartFrame)
    async with running(ParallelPipeline([Tap()], [TextStepWithStart(gate)]), Answers()) as session:
        await session.send(TextFrame("a"), audio(), TextFrame("b"))
        gate.open()
        await settle()
        assert kinds(session.tap.down) == ["Start", "Text", "InputAudioRaw", "Interruption"]


class TextStepWithStart(Step):
    handles = (StartFrame,)


async def test_a_branch_that_keeps_the_end_keeps_the_task_from_ending_until_it_is_cancelled() -> (
    None
):
    async with running(ParallelPipeline([Tap()], [Swallows(EndFrame)])) as session:
        await session.send(TextFrame("a"), EndFrame(), TextFrame("b"))
        assert kinds(session.tap.down) == ["Start", "Text", "Text"]
        assert not session.task.has_finished()
        await session.task.cancel()
        await settle()
        assert session.task.has_finished()


async def test_a_branch_that_fails_on_the_end_does_not_keep_it() -> None:
    async def work(frame: Frame) -> None:
        if isinstance(frame, EndFrame):
            raise LookupError("on purpose")

    async with running(ParallelPipeline([Tap()], [Step(work)])) as session:
        await session.send(EndFrame())
        assert kinds(session.tap.down) == ["Start", "End"]


async def test_an_interruption_cuts_off_every_branch() -> None:
    first, second = TextStep(Gate()), TextStep(Gate())
    async with running(ParallelPipeline([first], [second])) as session:
        await session.send(TextFrame("a"))
        await session.send(InterruptionFrame())
        assert texts(first.cut_off) == texts(second.cut_off) == ["a"]
        assert kinds(session.tap.down) == ["Start", "Interruption"]


class Forgets(FrameProcessor):
    """Passes everything on and remembers nothing."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await self.push_frame(frame, direction)


async def test_memory_does_not_grow_with_the_frames_that_pass() -> None:
    branches = ParallelPipeline([Forgets()], [Swallows(TextFrame)], [Forgets()])
    both_ways = (TextFrame, BotStartedSpeakingFrame)
    async with running(Swallows(*both_ways), branches, Swallows(*both_ways)) as session:
        for number in range(100):
            branches.receive(TextFrame(str(number)), DOWNSTREAM)
            branches.receive(BotStartedSpeakingFrame(), UPSTREAM)
        await settle()
        gc.collect()
        assert sum(len(left) for left in branches._left.values()) == 0
        assert len(branches._num_arrived) == 1  # The StartFrame, which the task's end keeps.
        assert kinds(session.tap.down) == ["Start"]


@pytest.mark.parametrize(
    "branches",
    [(), (Tap(),), ([Tap()], "x"), ([None],)],
    ids=["none", "a processor", "a word", "nothing"],
)
def test_branches_that_cannot_work_are_refused(branches: Any) -> None:
    with pytest.raises(ConfigurationError, match="ParallelPipeline"):
        ParallelPipeline(*branches)


def test_a_processor_cannot_stand_in_two_branches() -> None:
    tap = Tap()
    with pytest.raises(ConfigurationError, match="stands in it twice"):
        ParallelPipeline([tap], [Step(), tap])
