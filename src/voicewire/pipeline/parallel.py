"""Branches side by side: each frame goes through all of them and leaves once."""

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary, WeakSet

from voicewire.errors import ConfigurationError
from voicewire.frames import EndFrame, Frame, StartFrame, StopFrame
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.pipeline import Pipeline, setup_all
from voicewire.pipeline.processor import DOWNSTREAM, Processor, ProcessorSetup

_WAITS_FOR_ALL = (StartFrame, EndFrame, StopFrame)


class _Join(Processor):
    """Where a branch ends, on either side: passes on what the other branches have not."""

    def __init__(self, owner: "ParallelPipeline") -> None:
        super().__init__(name=f"{owner.name} join")
        self._owner = owner

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        self._owner._leave(frame, direction)


class ParallelPipeline(Processor):
    """Branches that each get every frame.

    A frame that comes out of several branches goes on once, from the first of them. StartFrame,
    EndFrame and StopFrame go on when they have come out of all.

    Raises:
        ConfigurationError: There is no branch, or a branch is not a list of processors.
    """

    def __init__(self, *branches: Sequence[Processor], name: str | None = None) -> None:
        super().__init__(name=name)
        if not branches:
            raise ConfigurationError("ParallelPipeline needs at least one list of processors")
        for index, branch in enumerate(branches):
            if not isinstance(branch, list | tuple):
                raise ConfigurationError(
                    f"ParallelPipeline: branch {index} is {branch!r}; "
                    "a list of processors is expected"
                )
        self.processors: list[Processor] = [Pipeline(branch) for branch in branches]
        self._joins: list[Processor] = []
        for pipeline in self.processors:
            before, after = _Join(self), _Join(self)
            before.link(pipeline)
            pipeline.link(after)
            self._joins += [before, after]
        # Weak: a frame is forgotten when no branch holds it any more, so neither of these grows.
        self._left: WeakSet[Frame] = WeakSet()
        self._num_arrived: WeakKeyDictionary[Frame, int] = WeakKeyDictionary()

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await setup_all([*self._joins, *self.processors], setup)

    async def cleanup(self) -> None:
        await asyncio.gather(*(pipeline.cleanup() for pipeline in self.processors))

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        for pipeline in self.processors:
            pipeline.receive(frame, direction)

    def _leave(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, _WAITS_FOR_ALL) and direction is DOWNSTREAM:
            num_arrived = self._num_arrived.get(frame, 0) + 1
            self._num_arrived[frame] = num_arrived
            if num_arrived != len(self.processors):
                return
        elif frame in self._left:
            return
        else:
            self._left.add(frame)
        self.push(frame, direction)
