"""Watching a pipeline without being part of it."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from voicewire.clock import Clock
from voicewire.frames import Frame
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.owner import is_being_cancelled
from voicewire.pipeline.processor import Processor

logger = logging.getLogger(__name__)

NANOSECONDS_PER_SECOND = 1_000_000_000

MAX_PENDING = 10_000
"""Pushes that wait for the observers; beyond it the oldest is dropped and counted."""


@dataclass(slots=True, frozen=True)
class FramePushed:
    """A frame went from one processor to the next.

    Attributes:
        source: Who pushed it.
        destination: Who received it.
        frame: What.
        direction: Which way.
        timestamp: Monotonic nanoseconds, by the clock of the task.
    """

    source: Processor
    destination: Processor
    frame: Frame
    direction: FrameDirection
    timestamp: int


class BaseObserver:
    """Sees every frame that moves. Subclasses override `on_push_frame`."""

    async def on_push_frame(self, data: FramePushed) -> None:
        """See a frame; the pipeline does not wait for this."""


class ObserverRelay:
    """Hands pushes to the observers from a task of its own, so that a slow one delays nobody."""

    def __init__(
        self,
        observers: Sequence[BaseObserver],
        *,
        clock: Clock,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self.num_dropped = 0
        self._observers = observers
        self._clock = clock
        self._max_pending = max_pending
        self._pending: deque[FramePushed] = deque()
        self._has_work = asyncio.Event()
        self._is_drained = asyncio.Event()
        self._is_drained.set()

    def tell(
        self, source: Processor, destination: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        if len(self._pending) >= self._max_pending:
            self._pending.popleft()
            self.num_dropped += 1
        timestamp = int(self._clock.now() * NANOSECONDS_PER_SECOND)
        self._pending.append(FramePushed(source, destination, frame, direction, timestamp))
        self._has_work.set()
        self._is_drained.clear()

    async def run(self) -> None:
        """Serve the observers until cancelled."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._pending:
                await self._show(self._pending.popleft())
            self._is_drained.set()

    async def wait_until_drained(self) -> None:
        """Return when the observers have seen all that they were told of."""
        await self._is_drained.wait()

    async def _show(self, data: FramePushed) -> None:
        for observer in self._observers:
            try:
                await observer.on_push_frame(data)
            except asyncio.CancelledError:
                if is_being_cancelled():
                    raise
                logger.exception("the observer %s failed", type(observer).__name__)
            except Exception:
                logger.exception("the observer %s failed", type(observer).__name__)
