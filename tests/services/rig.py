"""A pipeline around the service under test, and what comes out of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from voicewire.frames import Frame
from voicewire.pipeline import FrameDirection, InlineProcessor, Pipeline, PipelineTask, Processor
from voicewire.pipeline.task import PipelineParams
from voicewire.testing import VirtualClock

F = TypeVar("F", bound=Frame)


class Collector(InlineProcessor):
    """Keeps every frame that comes downstream."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.arrived = asyncio.Event()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is FrameDirection.DOWNSTREAM:
            self.frames.append(frame)
            self.arrived.set()
        self.push(frame, direction)


class Rig:
    """A running pipeline of one service and a collector behind it."""

    def __init__(self, task: PipelineTask, collector: Collector, clock: VirtualClock) -> None:
        self.task = task
        self.clock = clock
        self._collector = collector

    def all_of(self, kind: type[F]) -> list[F]:
        return [frame for frame in self._collector.frames if isinstance(frame, kind)]

    async def send(self, *frames: Frame) -> None:
        await self.task.queue_frames(frames)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when `condition` holds; it is asked whenever a frame comes out."""
        async with asyncio.timeout(5):
            while not condition():
                self._collector.arrived.clear()
                await self._collector.arrived.wait()

    async def wait_for(self, kind: type[F], count: int = 1) -> list[F]:
        await self.wait_until(lambda: len(self.all_of(kind)) >= count)
        return self.all_of(kind)

    async def settle(self) -> None:
        """Let everything happen that can happen without time passing."""
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(
    *processors: Processor, params: PipelineParams | None = None
) -> AsyncIterator[Rig]:
    collector, clock = Collector(), VirtualClock()
    task = PipelineTask(Pipeline([*processors, collector]), params=params, clock=clock)
    run = asyncio.create_task(task.run())
    rig = Rig(task, collector, clock)
    try:
        started = asyncio.create_task(rig.wait_until(lambda: bool(collector.frames)))
        await asyncio.wait((run, started), return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if run.done():
            await run  # It says why it did not start.
        yield rig
    finally:
        await task.cancel()
        await run
