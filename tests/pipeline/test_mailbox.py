"""The mailbox: order, bounds, interruptions and cancellations."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.fakes import audio, kinds, settle, texts
from voicewire.errors import QueueFullError
from voicewire.frames import (
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    ErrorFrame,
    FatalErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.mailbox import Mailbox

DOWN = FrameDirection.DOWNSTREAM

pytestmark = pytest.mark.anyio


@dataclass
class Box:
    """A mailbox at work whose handler waits on each frame until told to let it go."""

    taken: list[Frame] = field(default_factory=list)
    done: list[Frame] = field(default_factory=list)
    cut_off: list[Frame] = field(default_factory=list)
    is_open: bool = False
    max_frames: int = 100
    max_audio_bytes: int = 1000
    max_messages: int = 100

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(
            name="box",
            max_frames=self.max_frames,
            max_audio_bytes=self.max_audio_bytes,
            max_messages=self.max_messages,
        )
        self._let_go = asyncio.Event()

    async def handle(self, frame: Frame, direction: FrameDirection) -> None:
        self.taken.append(frame)
        try:
            if not self.is_open:
                await self._let_go.wait()
                self._let_go.clear()
        except asyncio.CancelledError:
            self.cut_off.append(frame)
            raise
        self.done.append(frame)

    async def put(self, *frames: Frame) -> None:
        for frame in frames:
            self.mailbox.put(frame, DOWN)
        await settle()

    async def let_go(self) -> None:
        self._let_go.set()
        await settle()

    async def open(self) -> None:
        self.is_open = True
        await self.let_go()


@asynccontextmanager
async def at_work(box: Box) -> AsyncIterator[Box]:
    task = asyncio.ensure_future(box.mailbox.run(box.handle))
    await settle()
    try:
        yield box
        assert not task.done(), "the mailbox has died"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def result() -> FunctionCallResultFrame:
    return FunctionCallResultFrame("f", "1", {}, "sunny")


def message() -> InputTransportMessageFrame:
    return InputTransportMessageFrame({"n": 1})


async def test_frames_are_handled_one_at_a_time_in_their_order() -> None:
    async with at_work(Box()) as box:
        await box.put(TextFrame("a"), TextFrame("b"))
        assert texts(box.taken) == ["a"]
        await box.open()
        assert texts(box.done) == ["a", "b"]
        assert box.mailbox.is_idle


async def test_system_frames_overtake_the_others() -> None:
    async with at_work(Box()) as box:
        await box.put(TextFrame("in hand"))
        await box.put(TextFrame("waits"), UserStartedSpeakingFrame())
        await box.open()
        assert kinds(box.done) == ["Text", "UserStartedSpeaking", "Text"]


async def test_frames_put_before_it_runs_are_handled() -> None:
    box = Box(is_open=True)
    box.mailbox.put(TextFrame("early"), DOWN)
    async with at_work(box):
        assert texts(box.done) == ["early"]


async def test_an_interruption_cuts_off_the_handler_and_drops_what_waits() -> None:
    async with at_work(Box()) as box:
        await box.put(TextFrame("a"), TextFrame("b"), result(), TextFrame("c"), EndFrame())
        box.mailbox.interrupt()
        await box.open()
        assert texts(box.cut_off) == ["a"]
        assert kinds(box.done) == ["FunctionCallResult", "End"]


@pytest.mark.parametrize("make", [result, EndFrame, UserStartedSpeakingFrame, audio])
async def test_an_interruption_spares_the_handler_of(make: Callable[[], Frame]) -> None:
    async with at_work(Box()) as box:
        await box.put(make())
        box.mailbox.interrupt()
        await settle()
        assert box.cut_off == []
        await box.open()
        assert len(box.done) == 1


async def test_it_works_on_after_each_of_many_interruptions() -> None:
    async with at_work(Box()) as box:
        for _ in range(5):
            await box.put(TextFrame("cut"))
            box.mailbox.interrupt()
            box.mailbox.interrupt()
            await settle()
        await box.put(TextFrame("kept"))
        await box.let_go()
        assert texts(box.done) == ["kept"]
        assert texts(box.cut_off) == ["cut"] * 5


async def test_a_frame_put_right_after_an_interruption_is_handled() -> None:
    async with at_work(Box()) as box:
        await box.put(TextFrame("old"))
        box.mailbox.interrupt()
        box.mailbox.put(TextFrame("new"), DOWN)
        await box.open()
        assert texts(box.done) == ["new"]


async def test_an_interruption_that_meets_a_handler_about_to_end_hurts_nobody_else() -> None:
    async with at_work(Box()) as box:
        await box.put(TextFrame("a"))
        box._let_go.set()  # The handler is ready to run, and is cancelled before it does.
        box.mailbox.interrupt()
        box.mailbox.put(TextFrame("b"), DOWN)
        await settle()
        assert texts(box.taken) == ["a", "b"]
        await box.open()
        assert texts(box.done)[-1] == "b"


async def test_a_handler_that_interrupts_itself_and_returns_does_not_cut_off_the_next() -> None:
    seen: list[str] = []

    async def handle(frame: Frame, direction: FrameDirection) -> None:
        assert isinstance(frame, TextFrame)
        if frame.text == "interrupts":
            mailbox.interrupt()
            return
        await asyncio.sleep(0)
        seen.append(frame.text)

    mailbox = Mailbox(name="box")
    task = asyncio.ensure_future(mailbox.run(handle))
    mailbox.put(TextFrame("interrupts"), DOWN)
    await asyncio.sleep(0)
    mailbox.put(TextFrame("next"), DOWN)
    await settle()
    assert seen == ["next"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_handler_that_suppresses_its_cancellation_goes_on_and_so_does_the_mailbox() -> None:
    seen: list[str] = []
    let_go = asyncio.Event()

    async def handle(frame: Frame, direction: FrameDirection) -> None:
        assert isinstance(frame, TextFrame)
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("suppressed")
        seen.append(frame.text)

    mailbox = Mailbox(name="box")
    task = asyncio.ensure_future(mailbox.run(handle))
    mailbox.put(TextFrame("a"), DOWN)
    await settle()
    mailbox.interrupt()
    mailbox.put(TextFrame("b"), DOWN)
    await settle()
    assert seen == ["suppressed", "a"]
    let_go.set()
    await settle()
    assert seen == ["suppressed", "a", "b"]
    assert task.cancelling() == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_timeout_inside_a_handler_still_works_after_an_interruption() -> None:
    seen: list[str] = []

    async def handle(frame: Frame, direction: FrameDirection) -> None:
        assert isinstance(frame, TextFrame)
        if frame.text == "hang":
            async with asyncio.timeout(1000):
                await asyncio.Event().wait()
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("timeout")

    mailbox = Mailbox(name="box")
    task = asyncio.ensure_future(mailbox.run(handle))
    for _ in range(3):
        mailbox.put(TextFrame("hang"), DOWN)
        await settle()
        mailbox.interrupt()
        await settle()
    mailbox.put(TextFrame("short"), DOWN)
    await settle()
    assert seen == ["timeout"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_real_cancellation_ends_it_in_the_midst_of_an_interruption() -> None:
    box = Box()
    task = asyncio.ensure_future(box.mailbox.run(box.handle))
    await box.put(TextFrame("a"))
    box.mailbox.interrupt()
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_a_real_cancellation_ends_it_while_a_handler_clears_up() -> None:
    async def handle(frame: Frame, direction: FrameDirection) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    mailbox = Mailbox(name="box")
    task = asyncio.ensure_future(mailbox.run(handle))
    mailbox.put(TextFrame("a"), DOWN)
    await settle()
    mailbox.interrupt()
    await settle()
    assert not task.done()
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_a_real_cancellation_between_two_handlers_ends_it() -> None:
    async def handle(frame: Frame, direction: FrameDirection) -> None:
        mailbox.interrupt()
        asyncio.get_running_loop().call_soon(task.cancel)

    mailbox = Mailbox(name="box")
    task = asyncio.ensure_future(mailbox.run(handle))
    mailbox.put(TextFrame("a"), DOWN)
    await settle()
    assert task.cancelled()


async def test_a_library_that_leaks_a_cancellation_does_not_end_the_mailbox() -> None:
    """Some keep `task.cancel()` to themselves without the `uncancel()` that belongs to it."""
    seen: list[str] = []

    async def handle(frame: Frame, direction: FrameDirection) -> None:
        assert isinstance(frame, TextFrame)
        if frame.text == "leak":
            task.cancel()
            task.cancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return
        await asyncio.Event().wait()

    mailbox = Mailbox(name="box")
    task = asyncio.ensure_future(mailbox.run(handle))
    mailbox.put(TextFrame("leak"), DOWN)
    await settle()
    assert task.cancelling() == 0
    mailbox.put(TextFrame("cut off"), DOWN)
    await settle()
    mailbox.interrupt()
    await settle()
    assert not task.done()
    assert seen == []
    assert mailbox.is_idle
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_caller_who_leaves_takes_everything_of_theirs_along() -> None:
    async with at_work(Box()) as box:
        await box.put(audio(), audio(), UserStartedSpeakingFrame(), TextFrame("a"), result())
        await box.put(EndFrame(), ErrorFrame("kept"))
        box.mailbox.forget_caller()
        await box.open()
        assert kinds(box.cut_off) == ["InputAudioRaw"]
        assert kinds(box.done) == ["Error", "End"]


async def test_a_caller_who_leaves_does_not_cut_off_the_handler_of_a_lifecycle_frame() -> None:
    async with at_work(Box()) as box:
        await box.put(ClientDisconnectedFrame())
        box.mailbox.forget_caller()
        await box.open()
        assert box.cut_off == []


async def test_cancelling_drops_everything_and_cuts_off_any_handler() -> None:
    async with at_work(Box()) as box:
        await box.put(EndFrame())
        await box.put(TextFrame("a"), audio())
        box.mailbox.cancel()
        await box.put(CancelFrame())
        await box.open()
        assert kinds(box.cut_off) == ["End"]
        assert kinds(box.done) == ["Cancel"]


async def test_audio_beyond_its_bound_drops_the_oldest() -> None:
    async with at_work(Box(max_audio_bytes=10)) as box:
        await box.put(UserStartedSpeakingFrame())
        sent = [audio(4) for _ in range(5)]
        await box.put(sent[0], InterruptionFrame(), *sent[1:])
        assert box.mailbox.num_dropped == 3
        await box.open()
        assert box.done[1:] == [box.done[1], sent[3], sent[4]]
        assert isinstance(box.done[1], InterruptionFrame)


async def test_a_single_audio_frame_beyond_the_bound_is_dropped() -> None:
    async with at_work(Box(max_audio_bytes=10)) as box:
        await box.put(UserStartedSpeakingFrame(), audio(11), audio(10))
        assert box.mailbox.num_dropped == 1
        await box.open()
        assert len(box.done) == 2


async def test_audio_that_is_changed_while_it_waits_does_not_upset_the_count() -> None:
    async with at_work(Box(max_audio_bytes=10)) as box:
        await box.put(UserStartedSpeakingFrame())
        frames = [audio(4) for _ in range(6)]
        for frame in frames:
            await box.put(frame)
            frame.audio = b""
        assert box.mailbox.num_dropped == 4
        await box.open()
        await box.put(*(audio(4) for _ in range(2)))
        assert box.mailbox.num_dropped == 4
        await box.put(*(audio(4) for _ in range(3)))
        assert box.mailbox.num_dropped == 5


async def test_bot_audio_is_not_dropped_by_the_bound_on_microphone_audio() -> None:
    async with at_work(Box(max_audio_bytes=10)) as box:
        await box.put(*(OutputAudioRawFrame(bytes(8), 16000, 1) for _ in range(4)))
        await box.open()
        assert len(box.done) == 4


async def test_frames_beyond_the_bound_are_refused_and_counted() -> None:
    async with at_work(Box(max_frames=2)) as box:
        await box.put(TextFrame("in hand"))
        await box.put(TextFrame("a"), TextFrame("b"))
        for frame in (TextFrame("c"), result()):
            with pytest.raises(QueueFullError, match=r"the mailbox of box is full \(2 frames\)"):
                box.mailbox.put(frame, DOWN)
        assert box.mailbox.num_dropped == 2
        await box.put(UserStartedSpeakingFrame())  # The other queue has room.
        await box.open()
        assert texts(box.done) == ["in hand", "a", "b"]


async def test_messages_of_the_client_beyond_their_bound_are_refused_and_counted() -> None:
    async with at_work(Box(max_messages=2)) as box:
        await box.put(TextFrame("in hand"))
        await box.put(message(), message())
        with pytest.raises(
            QueueFullError, match=r"the mailbox of box is full \(2 messages of the client\)"
        ):
            box.mailbox.put(message(), DOWN)
        assert box.mailbox.num_dropped == 1
        await box.put(UserStartedSpeakingFrame(), audio(), TextFrame("a"))  # These have room.
        await box.let_go()
        await box.put(message())  # One has left the queue.
        with pytest.raises(QueueFullError):
            box.mailbox.put(message(), DOWN)
        await box.open()
        assert kinds(box.done).count("InputTransportMessage") == 3


@pytest.mark.parametrize("empty", [Mailbox.forget_caller, Mailbox.cancel])
async def test_messages_that_were_dropped_make_room(empty: Callable[[Mailbox], None]) -> None:
    async with at_work(Box(max_messages=2)) as box:
        await box.put(TextFrame("in hand"))
        for _ in range(3):
            await box.put(message(), message())
            empty(box.mailbox)
            await settle()
            await box.put(EndFrame())
        assert box.mailbox.num_dropped == 0


async def test_it_is_crowded_until_half_of_its_messages_are_gone() -> None:
    async with at_work(Box(max_messages=4)) as box:
        await box.put(TextFrame("in hand"))
        crowded = [box.mailbox.is_crowded]
        for _ in range(3):
            await box.put(message())
            crowded.append(box.mailbox.is_crowded)
        await box.let_go()
        crowded.append(box.mailbox.is_crowded)
        assert crowded == [False, False, False, True, False]


@pytest.mark.parametrize(
    "make",
    [StartFrame, EndFrame, CancelFrame, lambda: FatalErrorFrame("x")],
    ids=["StartFrame", "EndFrame", "CancelFrame", "FatalErrorFrame"],
)
async def test_what_opens_or_closes_a_pipeline_always_gets_in(make: Callable[[], Frame]) -> None:
    async with at_work(Box(max_frames=1)) as box:
        await box.put(TextFrame("in hand"))
        await box.put(TextFrame("a"), UserStartedSpeakingFrame())
        frame = make()
        await box.put(frame)
        await box.open()
        assert frame in box.done


async def test_audio_gives_way_to_other_system_frames() -> None:
    async with at_work(Box(max_frames=3)) as box:
        await box.put(TextFrame("in hand"))
        await box.put(audio(), audio(), audio(), UserStartedSpeakingFrame())
        assert box.mailbox.num_dropped == 1
        await box.open()
        assert kinds(box.done[1:]) == ["InputAudioRaw", "InputAudioRaw", "UserStartedSpeaking"]


async def test_nothing_is_left_in_it_when_it_has_ended() -> None:
    box = Box()
    async with at_work(box):
        await box.put(TextFrame("a"), TextFrame("b"), audio())
    assert box.mailbox.is_idle


async def test_it_can_be_run_again() -> None:
    box = Box()
    task = asyncio.ensure_future(box.mailbox.run(box.handle))
    await box.put(TextFrame("a"))
    box.mailbox.interrupt()
    task.cancel()
    await settle()
    async with at_work(box):
        await box.put(TextFrame("b"))
        box.mailbox.interrupt()
        await settle()
        await box.put(TextFrame("c"))
        await box.open()
        assert texts(box.done) == ["c"]


MODEL_MAX_MESSAGES = 2


@dataclass
class Model:
    """What a mailbox does, said simply: no tasks, no cancellations."""

    system: list[Frame] = field(default_factory=list)
    ordered: list[Frame] = field(default_factory=list)
    in_hand: Frame | None = None
    done: list[Frame] = field(default_factory=list)
    cut_off: list[Frame] = field(default_factory=list)

    def take(self) -> None:
        if self.in_hand is None and (self.system or self.ordered):
            self.in_hand = (self.system or self.ordered).pop(0)

    def put(self, frame: Frame) -> None:
        is_system = not isinstance(frame, TextFrame | FunctionCallResultFrame | EndFrame)
        num_messages = sum(isinstance(other, InputTransportMessageFrame) for other in self.system)
        if isinstance(frame, InputTransportMessageFrame) and num_messages >= MODEL_MAX_MESSAGES:
            raise QueueFullError("the model", MODEL_MAX_MESSAGES, "messages")
        (self.system if is_system else self.ordered).append(frame)

    def finish(self) -> None:
        if self.in_hand is not None:
            self.done.append(self.in_hand)
            self.in_hand = None

    def cut(self) -> None:
        if self.in_hand is not None:
            self.cut_off.append(self.in_hand)
            self.in_hand = None

    def interrupt(self) -> None:
        self.ordered = [frame for frame in self.ordered if not frame.interruptible]
        if isinstance(self.in_hand, TextFrame):
            self.cut()

    def forget_caller(self) -> None:
        self.ordered = [frame for frame in self.ordered if not frame.belongs_to_caller]
        self.system = [frame for frame in self.system if not frame.belongs_to_caller]
        if self.in_hand is not None and self.in_hand.belongs_to_caller:
            self.cut()

    def cancel(self) -> None:
        self.system, self.ordered = [], []
        self.cut()


MAKERS: dict[str, Callable[[], Frame]] = {
    "text": lambda: TextFrame("t"),
    "result": result,
    "end": EndFrame,
    "audio": audio,
    "speaking": UserStartedSpeakingFrame,
    "error": lambda: ErrorFrame("e"),
    "message": message,
}
STEPS = st.sampled_from([*MAKERS, "finish", "interrupt", "forget_caller", "cancel", "settle"])


@settings(deadline=None)  # The machine may be busy with other things.
@given(st.lists(STEPS, max_size=40))
def test_it_behaves_as_a_simple_model_does(steps: list[str]) -> None:
    asyncio.run(compare_with_model(steps))


def is_refused(put: Callable[..., None], *args: object) -> bool:
    try:
        put(*args)
    except QueueFullError:
        return True
    return False


async def compare_with_model(steps: list[str]) -> None:
    model = Model()
    async with at_work(Box(max_messages=MODEL_MAX_MESSAGES)) as box:
        for step in steps:
            if step in MAKERS:
                frame = MAKERS[step]()
                assert is_refused(box.mailbox.put, frame, DOWN) == is_refused(model.put, frame)
            elif step == "finish":
                await settle()
                model.take()
                if model.in_hand is not None:
                    await box.let_go()
                model.finish()
                model.take()
            elif step == "settle":
                await settle()
                model.take()
            else:
                getattr(box.mailbox, step)()
                getattr(model, step)()
        await settle()
        model.take()
        assert box.done == model.done
        assert box.cut_off == model.cut_off
        assert box.taken[-1:] == ([model.in_hand] if model.in_hand else box.taken[-1:])
        while not box.mailbox.is_idle:
            await box.let_go()
            model.finish()
            model.take()
        assert box.done == model.done
