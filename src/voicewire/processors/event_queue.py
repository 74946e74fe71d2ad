"""Events of a processor that wait for their handlers, beside the pipeline."""

import asyncio
import logging
from collections import deque
from typing import Any

from voicewire.events import EventEmitter
from voicewire.pipeline import ProcessorSetup
from voicewire.pipeline.owner import wait_at_most

logger = logging.getLogger(__name__)

DRAIN_SECS = 5.0
"""How long handlers may be at work when the pipeline has ended: the last event matters most."""


class EventQueue:
    """Has an emitter's events handled one after the other, by a task of the session.

    A processor must not wait for an application's handlers. Frames go on while they work; what
    happens meanwhile waits, up to a bound.

    Args:
        emitter: Whose handlers.
        max_waiting: Events that wait; more are dropped, and counted in `num_dropped`.
    """

    def __init__(self, emitter: EventEmitter, *, max_waiting: int) -> None:
        self.num_dropped = 0
        self._emitter = emitter
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_dropping = False

    def put(self, setup: ProcessorSetup, event_name: str, *args: Any) -> None:
        """Have an event handled when those before it have been."""
        if len(self._waiting) >= self._max_waiting:
            self.num_dropped += 1
            if not self._is_dropping:  # One line for each time that it fills up.
                self._is_dropping = True
                logger.warning("the handlers of %r do not keep up: events are lost", event_name)
            return
        self._waiting.append((event_name, args))
        if self._task is None or self._task.done():
            self._task = setup.tasks.create(self._handle(), name=f"{event_name} handlers")

    async def drain(self, setup: ProcessorSetup) -> None:
        """Wait until all that waits has been handled, but not for long."""
        if self._task is not None and not await wait_at_most(
            DRAIN_SECS, (self._task,), clock=setup.clock
        ):
            logger.warning("event handlers were cancelled, %g s after the end", DRAIN_SECS)

    async def _handle(self) -> None:
        while self._waiting:
            event_name, args = self._waiting.popleft()
            self._is_dropping = self._is_dropping and bool(self._waiting)
            await self._emitter.emit(event_name, *args)
