"""A pipeline: processors in a row. It is a processor itself, so pipelines nest."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise

from voicewire.errors import ConfigurationError
from voicewire.frames import Frame
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.processor import DOWNSTREAM, Processor, ProcessorSetup

logger = logging.getLogger(__name__)


class Edge(Processor):
    """An end of a pipeline: what arrives here leaves the pipeline."""

    def __init__(self, owner: Processor, name: str) -> None:
        super().__init__(name=f"{owner.name} {name}")
        self.owner: Processor | None = owner

    def unlink(self) -> None:
        super().unlink()
        self.owner = None

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        if self.owner is not None:
            self.owner.push(frame, direction)


class Pipeline(Processor):
    """Processors in a row, linked in both directions.

    Raises:
        ConfigurationError: Something in the row is not a processor, stands in it twice, also
            inside a nested pipeline, or is at work in a running pipeline.
    """

    def __init__(self, processors: Sequence[Processor], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.processors = list(processors)
        check_processors(self.processors, where="Pipeline")
        self._head = Edge(self, "head")
        self._tail = Edge(self, "tail")
        self._link_row()

    @property
    def _row(self) -> list[Processor]:
        return [self._head, *self.processors, self._tail]

    def _link_row(self) -> None:
        for edge in (self._head, self._tail):
            edge.owner = self
        for left, right in pairwise(self._row):
            left.link(right)

    def unlink(self) -> None:
        super().unlink()
        for each in self._row:
            each.unlink()

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        self._link_row()  # Again, where it has been in a pipeline that is over.
        await setup_all(self._row, setup)

    async def cleanup(self) -> None:
        await cleanup_all(self.processors, self._setup)

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        edge = self._head if direction is DOWNSTREAM else self._tail
        edge.push(frame, direction)


def check_processors(processors: Sequence[object], *, where: str) -> None:
    """Raise ConfigurationError unless `processors`, and those inside them, are distinct."""
    seen: set[int] = set()
    for index, processor in enumerate(processors):
        if not isinstance(processor, Processor):
            raise ConfigurationError(
                f"{where}: item {index} is {processor!r}; a FrameProcessor is expected"
            )
        for each in with_nested(processor):
            if id(each) in seen:
                raise ConfigurationError(f"{where}: {each.name} stands in it twice")
            seen.add(id(each))


def with_nested(processor: Processor) -> Iterator[Processor]:
    yield processor
    inside = getattr(processor, "processors", None)
    if isinstance(inside, list):  # Ours; a user's processor may call anything by this name.
        for each in inside:
            if isinstance(each, Processor):
                yield from with_nested(each)


async def setup_all(processors: Sequence[Processor], setup: ProcessorSetup) -> None:
    """Set all up at the same time; the first failure is raised when the others have stopped."""
    tasks = [asyncio.ensure_future(processor.setup(setup)) for processor in processors]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def cleanup_all(processors: Sequence[Processor], setup: ProcessorSetup | None) -> None:
    """Clean all up at the same time; one that fails is logged and keeps none of the others.

    Those that another task has set up are left to it.
    """
    await asyncio.gather(
        *(_clean_up(each) for each in processors if each._setup is None or each._setup is setup)
    )


async def _clean_up(processor: Processor) -> None:
    try:
        await processor.cleanup()
    except Exception:
        logger.exception("%s: cleanup failed", processor.name)
