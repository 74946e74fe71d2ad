"""Watching a pipeline without being part of it."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from voicewire.frames import Frame
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.processor import Processor

logger = logging.getLogger(__name__)

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
        timestamp: Monotonic nanoseconds.
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
        self, observers: Sequence[BaseObserver], *, max_pending: int = MAX_PENDING
    ) -> None:
        self.num_dropped = 0
        self._observers = observers
        self._max_pending = max_pending
        self._pending: deque[FramePushed] = deque()
        self._wakeup = asyncio.Event()

    def tell(
        self, source: Processor, destination: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        if len(self._pending) >= self._max_pending:
            self._pending.popleft()
            self.num_dropped += 1
        self._pending.append(
            FramePushed(source, destination, frame, direction, time.monotonic_ns())
        )
        self._wakeup.set()

    async def run(self) -> None:
        """Serve the observers until cancelled."""
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            await self.drain()

    async def drain(self) -> None:
        """Hand over all that waits."""
        while self._pending:
            data = self._pending.popleft()
            for observer in self._observers:
                try:
                    await observer.on_push_frame(data)
                except Exception:
                    logger.exception("the observer %s failed", type(observer).__name__)
