"""The steps of a pipeline.

There are two kinds, and pushing a frame is a plain function call into either.

An `InlineProcessor` has a synchronous `process`: it runs on the pusher's stack and cannot wait.
A `FrameProcessor` has an asynchronous `process_frame`: frames wait for it in a mailbox.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import Any, ClassVar, NamedTuple

from voicewire.clock import Clock
from voicewire.errors import ConfigurationError, QueueFullError
from voicewire.frames import (
    CancelFrame,
    ClientDisconnectedFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LifecycleFrame,
    StartFrame,
    SystemFrame,
)
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.hooks import PushHooks
from voicewire.pipeline.mailbox import Mailbox
from voicewire.pipeline.owner import TaskOwner, is_being_cancelled

logger = logging.getLogger(__name__)

DOWNSTREAM = FrameDirection.DOWNSTREAM
UPSTREAM = FrameDirection.UPSTREAM


class Role(Enum):
    """What one processor of a pipeline does for all, so that others leave it alone."""

    TURNS = auto()
    """Says when the caller's turn begins and ends; else the transport's input does, by VAD."""

    MEMORY = auto()
    """Keeps the conversation; else the language model's service does."""

    VOICE = auto()
    """Speaks the language model's answers."""


@dataclass(slots=True, frozen=True)
class ProcessorSetup:
    """What a processor gets before the first frame.

    Attributes:
        clock: The time.
        tasks: Owns every task of the session.
        start: The frame that will open the pipeline: sample rates and switches.
        hooks: Told of each push in the pipeline.
        roles: Which roles are taken. Complete when the StartFrame comes.
    """

    clock: Clock
    tasks: TaskOwner
    start: StartFrame
    hooks: PushHooks = field(default_factory=PushHooks)
    roles: set[Role] = field(default_factory=set)


def require_frame(given: object) -> None:
    """Refuse what is no frame: processors trust each other, and stumble over it far from here.

    Raises:
        TypeError: It is none. The message names its type, not what it holds.
    """
    if isinstance(given, Frame):
        return
    what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
    raise TypeError(f"expected an instance of Frame, got {what}")


class Processor(ABC):
    """A step of a pipeline: gets frames by `receive`, passes frames on by `push`."""

    _numbers: ClassVar[dict[str, "count[int]"]] = {}

    def __init__(self, *, name: str | None = None) -> None:
        kind = type(self).__name__
        number = next(Processor._numbers.setdefault(kind, count()))
        self.name = name or f"{kind}#{number}"
        self.next: Processor | None = None
        self.previous: Processor | None = None
        self._setup: ProcessorSetup | None = None
        self._hooks = PushHooks()

    def __str__(self) -> str:
        return self.name

    def link(self, processor: "Processor") -> None:
        """Make `processor` the next one downstream.

        Raises:
            ConfigurationError: Either is at work in a running pipeline.
        """
        self._require_rest()
        processor._require_rest()
        self.next = processor
        processor.previous = self

    def unlink(self) -> None:
        """Know no neighbours any more: what is pushed from now on reaches nobody.

        A pipeline that is over is in pieces then, and freed as soon as nobody holds it, with all
        that it has kept: the garbage collector, which stops everybody, has nothing to find.
        """
        if self._setup is None or self._setup.tasks.is_closing:
            self.next = self.previous = None

    async def setup(self, setup: ProcessorSetup) -> None:
        """Get ready: connect, load models. All processors do so at once, before the StartFrame.

        An exception here ends the task before it has begun. Overriding methods call this one first.

        Raises:
            ConfigurationError: The processor is at work in a running pipeline, perhaps this one.
        """
        self._require_rest()
        self._setup = setup
        self._hooks = setup.hooks

    async def cleanup(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of everything. Called once, after the last frame; must not wait for long.

        Called also where `setup` failed or was cut short, so it must not rely on it.
        """

    @abstractmethod
    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        """Take a frame from a neighbour. Never waits."""

    def push(self, frame: Frame, direction: FrameDirection = DOWNSTREAM) -> None:
        """Give a frame to the neighbour in that direction. Never waits."""
        neighbour = self.next if direction is DOWNSTREAM else self.previous
        if neighbour is None:
            return
        tell = self._hooks.tell
        if tell is not None:
            tell(self, neighbour, frame, direction)
        neighbour.receive(frame, direction)

    def report_error(
        self, message: str, exception: Exception | None = None, *, fatal: bool = False
    ) -> None:
        """Log an error with its traceback and send an `ErrorFrame` upstream, to the task."""
        logger.error("%s: %s", self.name, message, exc_info=exception)
        self.push(
            ErrorFrame(error=message, fatal=fatal, processor=self, exception=exception), UPSTREAM
        )

    def _report_failure(self, frame: Frame, exception: Exception) -> None:
        self.report_error(
            f"{type(exception).__name__} while processing {type(frame).__name__}: {exception}",
            exception,
        )

    def _require_setup(self) -> ProcessorSetup:
        if self._setup is None:
            raise RuntimeError(f"{self.name} is not part of a running pipeline yet")
        return self._setup

    def _require_rest(self) -> None:
        if self._setup is not None and not self._setup.tasks.is_closing:
            raise ConfigurationError(
                f"{self.name} is at work in a running pipeline; make a new one for each session"
            )


class _Delivery:
    """Sees to it that a `LifecycleFrame` goes on, once, from a processor that fails on it.

    A context around its handling. It listens in on the pushes, because the handler may have passed
    the frame on before it failed.
    """

    def __init__(self, processor: Processor, frame: Frame, direction: FrameDirection) -> None:
        self._processor = processor
        self._frame = frame
        self._direction = direction
        self._hooks = processor._hooks
        self._has_gone_on = False

    def __enter__(self) -> None:
        self._hooks.add(self._note)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._hooks.remove(self._note)
        if kind is not None and issubclass(kind, Exception) and not self._has_gone_on:
            self._processor.push(self._frame, self._direction)

    def _note(
        self, source: Processor, to: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        if source is self._processor and frame is self._frame:
            self._has_gone_on = True


class InlineProcessor(Processor):
    """A step that never waits: `process` runs on the stack of whoever pushed the frame."""

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        try:
            if isinstance(frame, LifecycleFrame):
                with _Delivery(self, frame, direction):
                    self.process(frame, direction)
            else:
                self.process(frame, direction)
        except Exception as exc:  # noqa: BLE001 - one frame's failure must not end the session
            self._report_failure(frame, exc)

    @abstractmethod
    def process(self, frame: Frame, direction: FrameDirection) -> None:
        """Deal with a frame; `push` it to let it go on."""


class _Route(NamedTuple):
    """What happens to one type of frame on arrival."""

    is_handled: bool
    is_system: bool
    must_go_on: bool
    act_on_mailbox: Callable[[Mailbox], None] | None


class FrameProcessor(Processor):
    """A step that may wait. Subclasses override `process_frame` and push what should go on.

    Frames wait in a mailbox and are processed one at a time, system frames first. An interruption
    cancels `process_frame` while it works on an interruptible data or control frame, and drops
    those that wait.

    Attributes:
        handles: The frame types that `process_frame` wants; None means every frame. Of the others,
            system frames pass by without waiting, data and control frames in their order. Until
            `process_frame` is done with the StartFrame, every frame waits.
    """

    handles: ClassVar[tuple[type[Frame], ...] | None] = None

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._mailbox = Mailbox(name=self.name)
        self._routes: dict[type[Frame], _Route] = {}
        self._is_overflowing = False
        self._is_starting = False

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        setup.tasks.create(self._mailbox.run(self._handle), name=f"{self.name} mailbox")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Deal with a frame; `await self.push_frame(frame, direction)` lets it go on.

        An exception becomes an `ErrorFrame`, and the next frame follows.
        """

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        """See a system frame the moment it arrives, before it passes by or waits.

        For state that must not lag behind, such as whether the caller speaks. Not for pushing
        `frame`: it goes on by itself.
        """

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Give a frame to the neighbour in that direction.

        Raises:
            TypeError: It is no frame.
        """
        require_frame(frame)
        self.push(frame, direction)

    async def push_error(
        self, error_msg: str, exception: Exception | None = None, fatal: bool = False
    ) -> None:
        """Report an error to the task; a fatal one ends the session."""
        self.report_error(error_msg, exception, fatal=fatal)

    async def broadcast_frame(self, frame_class: type[Frame], **fields: Any) -> None:
        """Push a new frame downstream and another one like it upstream.

        Raises:
            TypeError: `frame_class` makes no frames, or not of these fields.
        """
        down, up = frame_class(**fields), frame_class(**fields)
        require_frame(down)
        self.push(down, DOWNSTREAM)
        self.push(up, UPSTREAM)

    def create_task(
        self, coroutine: Coroutine[Any, Any, None], name: str | None = None
    ) -> asyncio.Task[None]:
        """Run a coroutine beside the frames; it is cancelled when the pipeline ends.

        An exception in it becomes an `ErrorFrame`.

        Raises:
            RuntimeError: The pipeline does not run.
        """
        label = name or str(getattr(coroutine, "__name__", "task"))
        try:
            task = self._require_setup().tasks.create(
                self._guard(coroutine, label), name=f"{self.name} {label}"
            )
        except RuntimeError:
            coroutine.close()
            raise
        # A task that is cancelled before its first step never gets to awaiting the coroutine.
        task.add_done_callback(lambda _: coroutine.close())
        return task

    async def cancel_task(self, task: asyncio.Task[None], timeout: float | None = None) -> None:
        """Cancel a task and wait until it has ended, at most `timeout` seconds."""
        task.cancel()
        await asyncio.wait((task,), timeout=timeout)

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        route = self._route_of(type(frame))
        if route.is_system:
            if route.act_on_mailbox is not None:
                route.act_on_mailbox(self._mailbox)
            try:
                self.on_system_frame(frame, direction)  # type: ignore[arg-type]
            except Exception as exc:  # noqa: BLE001 - as in InlineProcessor
                self._report_failure(frame, exc)
            waits = route.is_handled or self._is_starting
        else:
            waits = route.is_handled or not self._mailbox.is_idle
        if waits:
            self._post(frame, direction)
        else:
            self.push(frame, direction)

    def _post(self, frame: Frame, direction: FrameDirection = DOWNSTREAM) -> None:
        """Put a frame into this processor's own mailbox."""
        if isinstance(frame, StartFrame):
            self._is_starting = True
        try:
            self._mailbox.put(frame, direction)
        except QueueFullError as exc:
            if not self._is_overflowing:  # One report for each time that it fills up.
                self._is_overflowing = True
                self.report_error(str(exc), exc)

    async def _handle(self, frame: Frame, direction: FrameDirection) -> None:
        route = self._route_of(type(frame))
        if not route.is_handled:
            self.push(frame, direction)
        else:
            try:
                if route.must_go_on:
                    with _Delivery(self, frame, direction):
                        await self._process(frame, direction)
                else:
                    await self._process(frame, direction)
            except Exception as exc:  # noqa: BLE001 - as in InlineProcessor
                self._report_failure(frame, exc)
        # What has waited behind the StartFrame must be gone before anything may pass by again.
        if self._is_starting and not self._mailbox.has_system_frames:
            self._is_starting = False
        if self._is_overflowing and not self._mailbox.is_crowded:
            self._is_overflowing = False

    async def _process(self, frame: Frame, direction: FrameDirection) -> None:
        try:
            await self.process_frame(frame, direction)
        except asyncio.CancelledError as exc:
            if is_being_cancelled():
                raise
            raise RuntimeError("it awaited something that was cancelled") from exc

    async def _guard(self, coroutine: Coroutine[Any, Any, None], label: str) -> None:
        try:
            await coroutine
        except Exception as exc:  # noqa: BLE001 - a helper task must not end the session
            self.report_error(f"{type(exc).__name__} in {label}: {exc}", exc)

    def _route_of(self, kind: type[Frame]) -> _Route:
        route = self._routes.get(kind)
        if route is None:
            if not issubclass(kind, Frame):
                raise TypeError(f"expected an instance of Frame, got {kind.__name__}")
            route = self._routes[kind] = _Route(
                is_handled=self.handles is None or issubclass(kind, self.handles),
                is_system=issubclass(kind, SystemFrame),
                must_go_on=issubclass(kind, LifecycleFrame),
                act_on_mailbox=_mailbox_action(kind),
            )
        return route


def _mailbox_action(kind: type[Frame]) -> Callable[[Mailbox], None] | None:
    if issubclass(kind, InterruptionFrame):
        return Mailbox.interrupt
    if issubclass(kind, ClientDisconnectedFrame):
        return Mailbox.forget_caller
    if issubclass(kind, CancelFrame):
        return Mailbox.cancel
    return None
