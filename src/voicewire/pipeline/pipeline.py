"""A pipeline: processors in a row. It is a processor itself, so pipelines nest."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from voicewire.errors import ConfigurationError
from voicewire.frames import Frame
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.processor import DOWNSTREAM, Processor, ProcessorSetup


class Edge(Processor):
    """An end of a pipeline: what arrives here leaves the pipeline."""

    def __init__(self, owner: Processor, name: str) -> None:
        super().__init__(name=f"{owner.name} {name}")
        self._owner = owner

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        self._owner.push(frame, direction)


class Pipeline(Processor):
    """Processors in a row, linked in both directions.

    Raises:
        ConfigurationError: Something in the row is not a processor, or stands in it twice.
    """

    def __init__(self, processors: Sequence[Processor], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.processors = list(processors)
        check_processors(self.processors, where="Pipeline")
        self._head = Edge(self, "head")
        self._tail = Edge(self, "tail")
        row = [self._head, *self.processors, self._tail]
        for left, right in pairwise(row):
            left.link(right)

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await setup_all([self._head, *self.processors, self._tail], setup)

    async def cleanup(self) -> None:
        for processor in reversed(self.processors):
            await processor.cleanup()

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        edge = self._head if direction is DOWNSTREAM else self._tail
        edge.push(frame, direction)


def check_processors(processors: Sequence[object], *, where: str) -> None:
    """Raise ConfigurationError unless `processors` are distinct processors."""
    seen: set[int] = set()
    for index, processor in enumerate(processors):
        if not isinstance(processor, Processor):
            raise ConfigurationError(
                f"{where}: item {index} is {processor!r}; a FrameProcessor is expected"
            )
        if id(processor) in seen:
            raise ConfigurationError(f"{where}: {processor.name} stands in it twice")
        seen.add(id(processor))


async def setup_all(processors: Sequence[Processor], setup: ProcessorSetup) -> None:
    """Set all up at the same time; the first failure is raised when the others have stopped."""
    tasks = [asyncio.ensure_future(processor.setup(setup)) for processor in processors]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
