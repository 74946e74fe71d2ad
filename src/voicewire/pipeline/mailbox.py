"""The mailbox of an asynchronous processor: one task, two bounded queues, system frames first."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, NoReturn

from voicewire.errors import QueueFullError
from voicewire.frames import (
    AudioRawFrame,
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputTransportMessageFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
)
from voicewire.pipeline.direction import FrameDirection

MAX_FRAMES = 10_000
"""Frames that either queue holds; a put beyond it is refused. What clients send has closer ones."""

MAX_AUDIO_BYTES = 1 << 20
"""Microphone audio that waits, 32 s of 16 kHz mono; beyond it the oldest audio is dropped."""

MAX_MESSAGES = 100
"""Messages of the client that wait; more are refused. Each may be 3 MB of objects."""

_ALWAYS_GETS_IN = (
    StartFrame,
    EndFrame,
    StopFrame,
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
)
"""Few by their nature, and a pipeline that loses one of them never ends or mixes up callers."""


Handler = Callable[[Frame, FrameDirection], Awaitable[None]]


class Item(NamedTuple):
    """A frame that waits, and the way it was going."""

    frame: Frame
    direction: FrameDirection
    audio_bytes: int
    """What it counts towards the bound on audio; taken once, for frames can be changed."""
    is_message: bool
    """Whether it counts towards the bound on messages."""


class Mailbox:
    """Frames wait here for an asynchronous handler, which gets them one at a time.

    `put` never waits. What the bounds refuse or drop is counted in `num_dropped`.
    """

    def __init__(
        self,
        *,
        name: str,
        max_frames: int = MAX_FRAMES,
        max_audio_bytes: int = MAX_AUDIO_BYTES,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self.num_dropped = 0
        self._name = name
        self._max_frames = max_frames
        self._max_audio_bytes = max_audio_bytes
        self._max_messages = max_messages
        self._system: deque[Item] = deque()
        self._ordered: deque[Item] = deque()
        self._audio_bytes = 0
        self._num_messages = 0
        self._in_hand: Item | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_cutting_off = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and no frame is in hand."""
        return self._in_hand is None and not self._ordered and not self._system

    @property
    def has_system_frames(self) -> bool:
        """Whether a system frame waits."""
        return bool(self._system)

    @property
    def is_crowded(self) -> bool:
        """Whether either queue is more than half full, of messages or of anything."""
        return (
            max(len(self._system), len(self._ordered)) > self._max_frames // 2
            or self._num_messages > self._max_messages // 2
        )

    def put(self, frame: Frame, direction: FrameDirection) -> None:
        """Add a frame.

        Raises:
            QueueFullError: The queue is full, and the frame is none that must get through; or
                too many messages of the client wait for this one to join them.
        """
        is_system = isinstance(frame, SystemFrame)
        queue = self._system if is_system else self._ordered
        is_message = is_system and isinstance(frame, InputTransportMessageFrame)
        if is_message and self._num_messages >= self._max_messages:
            self._refuse(self._max_messages, "messages of the client")
        if len(queue) >= self._max_frames and not _always_gets_in(frame):
            self._make_room(queue)
        audio_bytes = len(frame.audio) if is_system and isinstance(frame, AudioRawFrame) else 0
        queue.append(Item(frame, direction, audio_bytes, is_message))
        self._num_messages += is_message
        if audio_bytes:
            self._audio_bytes += audio_bytes
            while self._audio_bytes > self._max_audio_bytes:
                self._drop_oldest_audio()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def interrupt(self) -> None:
        """Drop the interruptible data and control frames, and cancel the handler of one."""
        self._ordered = deque(item for item in self._ordered if not item.frame.interruptible)
        in_hand = self._in_hand
        if in_hand and in_hand.frame.interruptible and not isinstance(in_hand.frame, SystemFrame):
            self._cut_off()

    def forget_caller(self) -> None:
        """Drop all that belongs to the caller, system frames too, and cancel its handler."""
        self._ordered = deque(item for item in self._ordered if not item.frame.belongs_to_caller)
        self._system = deque(item for item in self._system if not item.frame.belongs_to_caller)
        self._audio_bytes = sum(item.audio_bytes for item in self._system)
        self._num_messages = sum(item.is_message for item in self._system)
        if self._in_hand and self._in_hand.frame.belongs_to_caller:
            self._cut_off()

    def cancel(self) -> None:
        """Drop everything and cancel the handler in hand."""
        self._clear()
        if self._in_hand:
            self._cut_off()

    async def run(self, handle: Handler) -> None:
        """Hand frames to the handler until cancelled. Exactly one task runs this at a time."""
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in a task
        try:
            while True:
                while not self._system and not self._ordered:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
                self._in_hand = self._take()  # And no other name, which would outlive the frame.
                try:
                    await handle(self._in_hand.frame, self._in_hand.direction)
                except asyncio.CancelledError:
                    # Ours cuts off one handler; anybody else's ends the mailbox.
                    if not self._is_cutting_off or task.cancelling() > 1:
                        raise
                finally:
                    self._in_hand = None
                if task.cancelling():
                    await self._settle(task)
        finally:
            self._clear()
            self._is_cutting_off = False

    def _take(self) -> Item:
        if not self._system:
            return self._ordered.popleft()
        item = self._system.popleft()
        self._audio_bytes -= item.audio_bytes
        self._num_messages -= item.is_message
        return item

    def _cut_off(self) -> None:
        if not self._is_cutting_off and self._task is not None:
            self._is_cutting_off = True
            self._task.cancel()

    async def _settle(self, task: asyncio.Task[None]) -> None:
        """Take back the cancellation, also where the handler ended before it arrived.

        What is left beyond our own was swallowed by the handler: either a library asked for it
        and forgot to take it back, and then the next frame must not suffer, or the session's
        owner did, who asks again.
        """
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not self._is_cutting_off or task.cancelling() > 1:
                raise
        self._is_cutting_off = False
        while task.uncancel():
            pass

    def _make_room(self, queue: deque[Item]) -> None:
        if queue is self._system and self._audio_bytes:
            self._drop_oldest_audio()
            return
        self._refuse(self._max_frames, "frames")

    def _refuse(self, limit: int, unit: str) -> NoReturn:
        self.num_dropped += 1
        raise QueueFullError(f"the mailbox of {self._name}", limit, unit)

    def _drop_oldest_audio(self) -> None:
        for index, item in enumerate(self._system):
            if item.audio_bytes:
                self._audio_bytes -= item.audio_bytes
                del self._system[index]
                self.num_dropped += 1
                return

    def _clear(self) -> None:
        self._ordered.clear()
        self._system.clear()
        self._audio_bytes = 0
        self._num_messages = 0


def _always_gets_in(frame: Frame) -> bool:
    return isinstance(frame, _ALWAYS_GETS_IN) or (isinstance(frame, ErrorFrame) and frame.fatal)
