"""Branches side by side: each frame goes through all of them and leaves once."""

from collections import deque
from collections.abc import Sequence
from itertools import chain
from weakref import WeakKeyDictionary, WeakSet

from voicewire.errors import ConfigurationError
from voicewire.frames import (
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
)
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.pipeline import Pipeline, check_processors, cleanup_all, setup_all
from voicewire.pipeline.processor import DOWNSTREAM, Processor, ProcessorSetup

MAX_HELD = 1000
"""Frames that wait until every branch has started; beyond it the oldest is dropped."""

_WAITS_FOR_ALL = (StartFrame, EndFrame, StopFrame, ClientDisconnectedFrame)


class _Join(Processor):
    """Where a branch ends, on either side: passes on what the other branches have not."""

    def __init__(self, owner: "ParallelPipeline") -> None:
        super().__init__(name=f"{owner.name} join")
        self.owner: ParallelPipeline | None = owner

    def unlink(self) -> None:
        super().unlink()
        self.owner = None

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        if self.owner is not None:
            self.owner._leave(frame, direction)


class ParallelPipeline(Processor):
    """Branches that each get every frame.

    A frame that comes out of several branches goes on once, from the first of them. StartFrame,
    EndFrame and StopFrame go on when they have come out of all; a branch that keeps one of them
    keeps the pipeline from starting or ending. ClientDisconnectedFrame waits for all as well, so
    that behind it nothing of the caller is left in any branch. What a quick branch sends out before
    the StartFrame has left waits for it.

    Attributes:
        num_dropped: Frames that were dropped for want of room while a branch started.

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
        check_processors(
            [item for branch in branches for item in branch], where=type(self).__name__
        )
        self.num_dropped = 0
        self.processors: list[Processor] = [Pipeline(branch) for branch in branches]
        self._joins = [(_Join(self), _Join(self)) for _ in branches]
        self._link_branches()
        # Weak: a frame is forgotten when no branch holds it any more, so neither of these grows.
        self._left: dict[FrameDirection, WeakSet[Frame]] = {
            way: WeakSet() for way in FrameDirection
        }
        self._num_arrived: WeakKeyDictionary[Frame, int] = WeakKeyDictionary()
        self._held: deque[Frame] | None = None

    @property
    def _parts(self) -> list[Processor]:
        return [*chain.from_iterable(self._joins), *self.processors]

    def _link_branches(self) -> None:
        for pipeline, (before, after) in zip(self.processors, self._joins, strict=True):
            before.owner = after.owner = self
            before.link(pipeline)
            pipeline.link(after)

    def unlink(self) -> None:
        super().unlink()
        for each in self._parts:
            each.unlink()

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        self._link_branches()  # Again, where it has been in a pipeline that is over.
        self._held = None
        await setup_all(self._parts, setup)

    async def cleanup(self) -> None:
        await cleanup_all(self.processors, self._setup)

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, StartFrame):
            self._held = deque()
        elif isinstance(frame, ClientDisconnectedFrame) and self._held is not None:
            self._held = deque(each for each in self._held if not each.belongs_to_caller)
        # The same frame may come again: an interruption goes up to the head and back down.
        self._left[direction].discard(frame)
        for pipeline in self.processors:
            pipeline.receive(frame, direction)

    def _leave(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, _WAITS_FOR_ALL) and direction is DOWNSTREAM:
            num_arrived = self._num_arrived.get(frame, 0) + 1
            self._num_arrived[frame] = num_arrived
            if num_arrived != len(self.processors):
                return
            if not isinstance(frame, ClientDisconnectedFrame):
                self._push_and_release(frame)
                return
        left = self._left[direction]
        if frame in left:
            return
        left.add(frame)
        if direction is DOWNSTREAM and self._held is not None:
            self._hold(frame, self._held)
        else:
            self.push(frame, direction)

    def _hold(self, frame: Frame, held: deque[Frame]) -> None:
        """Keep a frame back until the StartFrame has left; only a CancelFrame does not wait."""
        if isinstance(frame, CancelFrame):
            self._held = None
            self.push(frame)
            return
        if isinstance(frame, InterruptionFrame):
            kept = [
                each for each in held if isinstance(each, SystemFrame) or not each.interruptible
            ]
            self._held = held = deque(kept)
        elif len(held) >= MAX_HELD:
            held.popleft()
            self.num_dropped += 1
        held.append(frame)

    def _push_and_release(self, frame: Frame) -> None:
        self.push(frame)
        while self._held:  # What comes out meanwhile goes to the end of this row.
            self.push(self._held.popleft())
        self._held = None
