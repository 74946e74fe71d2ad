"""The mailbox against a plain list, in whatever order things happen."""

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.state_machines import FEW
from voicewire.errors import QueueFullError
from voicewire.frames import (
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    StartFrame,
    SystemFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.mailbox import Mailbox

MAX_FRAMES = 6
MAX_AUDIO_BYTES = 100
MAX_MESSAGES = 2

MUST_ARRIVE = (StartFrame, EndFrame)

KINDS: dict[str, Any] = {
    "text": lambda: TextFrame("hello"),
    "result": lambda: FunctionCallResultFrame("f", "1", {}, None),
    "start": StartFrame,
    "end": EndFrame,
    "speaking": UserStartedSpeakingFrame,
    "message": lambda: InputTransportMessageFrame({}),
}


class MailboxStates(RuleBasedStateMachine):
    """The model: two lists of what waits, and what the handler has in hand."""

    def __init__(self) -> None:
        super().__init__()
        self.system: list[Frame] = []
        self.ordered: list[Frame] = []
        self.in_hand: Frame | None = None
        self.num_dropped = 0
        self.taken: list[Frame] = []
        self.expected: list[Frame] = []
        self.cut_off: list[Frame] = []
        self.loop = asyncio.new_event_loop()
        self.let_go = asyncio.Event()
        self.mailbox = Mailbox(
            name="box",
            max_frames=MAX_FRAMES,
            max_audio_bytes=MAX_AUDIO_BYTES,
            max_messages=MAX_MESSAGES,
        )
        self.task = self.loop.create_task(self.mailbox.run(self.handle))
        self.turn()

    async def handle(self, frame: Frame, direction: FrameDirection) -> None:
        self.taken.append(frame)
        self.let_go.clear()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cut_off.append(frame)
            raise

    def turn(self) -> None:
        """Let the mailbox's task do what it can."""

        async def wait() -> None:
            for _ in range(6):
                await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    def take_next(self) -> None:
        """Do in the model what the mailbox does when its handler is free."""
        if self.in_hand is None and (self.system or self.ordered):
            self.in_hand = (self.system or self.ordered).pop(0)
            self.expected.append(self.in_hand)
        self.turn()

    @rule(kind=st.sampled_from(sorted(KINDS)))
    def put(self, kind: str) -> None:
        self.put_frame(KINDS[kind]())

    @rule(num_bytes=st.sampled_from([20, 60, 200]))
    def put_audio(self, num_bytes: int) -> None:
        self.put_frame(InputAudioRawFrame(bytes(num_bytes), 16000, 1))

    def put_frame(self, frame: Frame) -> None:
        is_refused = not self.fits(frame)
        try:
            self.mailbox.put(frame, FrameDirection.DOWNSTREAM)
        except QueueFullError:
            assert is_refused, "refused for nothing"
            self.num_dropped += 1
            return
        assert not is_refused, "taken beyond the bound"
        (self.system if isinstance(frame, SystemFrame) else self.ordered).append(frame)
        while sum(map(audio_bytes, self.system)) > MAX_AUDIO_BYTES:
            self.drop_oldest_audio()
        self.take_next()

    def fits(self, frame: Frame) -> bool:
        """Whether there is room, after the oldest audio has made way for a system frame."""
        if isinstance(frame, InputTransportMessageFrame):
            waiting = [each for each in self.system if isinstance(each, InputTransportMessageFrame)]
            if len(waiting) >= MAX_MESSAGES:
                return False
        queue = self.system if isinstance(frame, SystemFrame) else self.ordered
        if len(queue) < MAX_FRAMES or isinstance(frame, MUST_ARRIVE):
            return True
        if queue is self.system and any(map(audio_bytes, queue)):
            self.drop_oldest_audio()
            return True
        return False

    def drop_oldest_audio(self) -> None:
        self.system.remove(next(each for each in self.system if audio_bytes(each)))
        self.num_dropped += 1

    @precondition(lambda self: self.in_hand is not None)
    @rule()
    def handler_returns(self) -> None:
        self.in_hand = None
        self.let_go.set()
        self.turn()
        self.take_next()

    @rule()
    def interrupt(self) -> None:
        self.mailbox.interrupt()
        assert all(each.interruptible for each in self.ordered if each not in self.waiting())
        self.ordered = [each for each in self.ordered if not each.interruptible]
        if self.in_hand and self.in_hand.interruptible:
            self.cut_off_unless(isinstance(self.in_hand, SystemFrame))
        self.take_next()

    @rule()
    def caller_leaves(self) -> None:
        self.mailbox.forget_caller()
        self.ordered = [each for each in self.ordered if not each.belongs_to_caller]
        self.system = [each for each in self.system if not each.belongs_to_caller]
        if self.in_hand:
            self.cut_off_unless(not self.in_hand.belongs_to_caller)
        self.take_next()

    def cut_off_unless(self, is_kept: bool) -> None:
        if not is_kept:
            in_hand, self.in_hand = self.in_hand, None
            self.turn()
            assert self.cut_off[-1] is in_hand, "the handler goes on"

    def waiting(self) -> list[Frame]:
        return [item.frame for item in (*self.mailbox._system, *self.mailbox._ordered)]

    @invariant()
    def order_is_kept(self) -> None:
        assert self.taken == self.expected

    @invariant()
    def what_waits_is_what_should(self) -> None:
        assert self.waiting() == [*self.system, *self.ordered]
        assert self.mailbox.num_dropped == self.num_dropped
        assert self.mailbox.has_system_frames == bool(self.system)
        is_idle = not self.system and not self.ordered and self.in_hand is None
        assert self.mailbox.is_idle == is_idle

    @invariant()
    def bounds_hold(self) -> None:
        assert sum(map(audio_bytes, self.system)) <= MAX_AUDIO_BYTES

    def teardown(self) -> None:
        self.task.cancel()
        self.turn()
        assert self.task.done()
        assert self.waiting() == []
        self.loop.close()


def audio_bytes(frame: Frame) -> int:
    return len(frame.audio) if isinstance(frame, InputAudioRawFrame) else 0


TestMailboxStates = MailboxStates.TestCase
TestMailboxStates.settings = FEW
