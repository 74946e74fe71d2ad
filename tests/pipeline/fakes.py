"""Processors and small helpers for the tests of the pipeline."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from voicewire.frames import Frame, InputAudioRawFrame, TextFrame
from voicewire.pipeline import (
    FrameDirection,
    FrameProcessor,
    InlineProcessor,
    Pipeline,
    PipelineTask,
    Processor,
)
from voicewire.pipeline.processor import DOWNSTREAM
from voicewire.testing import VirtualClock

Handler = Callable[[Frame], Awaitable[None]]


async def settle() -> None:
    """Let everything that is ready run, also what that makes ready."""
    for _ in range(50):
        await asyncio.sleep(0)


def texts(frames: list[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TextFrame)]


def kinds(frames: list[Frame]) -> list[str]:
    return [type(frame).__name__.removesuffix("Frame") for frame in frames]


def audio(num_bytes: int = 2) -> InputAudioRawFrame:
    return InputAudioRawFrame(bytes(num_bytes), 16000, 1)


class Tap(InlineProcessor):
    """Keeps what passes, both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.down: list[Frame] = []
        self.up: list[Frame] = []
        self.num_cleanups = 0

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        (self.down if direction is DOWNSTREAM else self.up).append(frame)
        self.push(frame, direction)

    async def cleanup(self) -> None:
        self.num_cleanups += 1


class Step(FrameProcessor):
    """An asynchronous step as users write them: does its work, then passes the frame on."""

    def __init__(self, work: Handler | None = None) -> None:
        super().__init__()
        self.seen: list[Frame] = []
        self.cut_off: list[Frame] = []
        self._work = work

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.seen.append(frame)
        try:
            if self._work is not None:
                await self._work(frame)
        except asyncio.CancelledError:
            self.cut_off.append(frame)
            raise
        await self.push_frame(frame, direction)


class TextStep(Step):
    """A step that wants text only."""

    handles = (TextFrame,)


class Gate:
    """Work that lasts until `open`, for frames of some types."""

    def __init__(self, *kinds: type[Frame]) -> None:
        self._kinds = kinds or (TextFrame,)
        self._is_open = asyncio.Event()

    def open(self) -> None:
        self._is_open.set()

    def close(self) -> None:
        self._is_open.clear()

    async def __call__(self, frame: Frame) -> None:
        if isinstance(frame, self._kinds):
            await self._is_open.wait()


class Session:
    """A pipeline at work, with a tap at its end."""

    def __init__(self, *processors: Processor, **options: Any) -> None:
        self.tap = Tap()
        self.clock = VirtualClock()
        options.setdefault("clock", self.clock)
        self.task = PipelineTask(Pipeline([*processors, self.tap]), **options)
        self.events: list[tuple[Any, ...]] = []
        for name in ("started", "finished", "error"):
            self._keep_event(f"on_pipeline_{name}")
        self._keep_event("on_idle_timeout")

    async def send(self, *frames: Frame) -> None:
        """Send frames into the head and wait until they have gone as far as they can."""
        await self.task.queue_frames(frames)
        await settle()

    @property
    def errors(self) -> list[str]:
        return [event[2].error for event in self.events if event[0] == "on_pipeline_error"]

    def event_names(self) -> list[str]:
        return [event[0] for event in self.events]

    def _keep_event(self, name: str) -> None:
        async def keep(*args: Any) -> None:
            self.events.append((name, *args))

        self.task.add_event_handler(name, keep)


@asynccontextmanager
async def running(*processors: Processor, **options: Any) -> AsyncIterator[Session]:
    """Run processors, followed by a tap; at the end of the body the session is cancelled."""
    session = Session(*processors, **options)
    runs = asyncio.ensure_future(session.task.run())
    await settle()
    try:
        yield session
    finally:
        await session.task.cancel()
        await settle()
        session.clock.advance(1000)
        await runs


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}
