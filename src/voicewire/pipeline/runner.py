"""Running tasks as a program does: until they end or the process is told to."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from voicewire.pipeline.task import PipelineTask

logger = logging.getLogger(__name__)

DRAIN_SECS = 10.0
"""How long SIGTERM lets the bot finish what it is saying."""


class PipelineRunner:
    """Runs tasks, and ends them on signals.

    SIGINT (Ctrl-C) cancels. SIGTERM lets the tasks finish what is queued, for at most
    `drain_secs`; another signal cancels at once.

    Args:
        handle_sigint: Whether to act on SIGINT.
        handle_sigterm: Whether to act on SIGTERM.
        drain_secs: How long SIGTERM waits before it cancels.
    """

    _active: ClassVar[list["PipelineRunner"]] = []

    def __init__(
        self,
        *,
        handle_sigint: bool = True,
        handle_sigterm: bool = True,
        drain_secs: float = DRAIN_SECS,
    ) -> None:
        self._signals = [
            *([signal.SIGINT] if handle_sigint else []),
            *([signal.SIGTERM] if handle_sigterm else []),
        ]
        self._drain_secs = drain_secs
        self._tasks: set[PipelineTask] = set()
        self._drain_timer: asyncio.TimerHandle | None = None
        self._wishes: set[asyncio.Task[None]] = set()

    async def run(self, task: PipelineTask) -> None:
        """Run `task` until it ends. Several may run at the same time."""
        self._tasks.add(task)
        if len(self._tasks) == 1:
            self._watch_signals()
        try:
            await task.run()
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._unwatch_signals()

    async def stop_when_done(self) -> None:
        """End every task when it has said what is queued."""
        for task in tuple(self._tasks):
            await task.stop_when_done()

    async def cancel(self) -> None:
        """End every task now."""
        for task in tuple(self._tasks):
            await task.cancel()

    def _watch_signals(self) -> None:
        PipelineRunner._active.append(self)
        loop = asyncio.get_running_loop()
        for number in self._signals:
            try:
                loop.add_signal_handler(number, _on_signal, number)
            except (NotImplementedError, RuntimeError, ValueError):
                # Not on this platform, or not in the main thread: then the program's own affair.
                logger.debug("%s is not handled here", number.name)

    def _unwatch_signals(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        PipelineRunner._active.remove(self)
        loop = asyncio.get_running_loop()
        for number in self._signals:
            if not any(number in runner._signals for runner in PipelineRunner._active):
                try:
                    loop.remove_signal_handler(number)
                except (NotImplementedError, RuntimeError, ValueError):
                    logger.debug("%s was not handled here", number.name)

    def _obey(self, number: signal.Signals) -> None:
        if number is signal.SIGTERM and self._drain_timer is None:
            loop = asyncio.get_running_loop()
            self._drain_timer = loop.call_later(self._drain_secs, self._start, self.cancel)
            self._start(self.stop_when_done)
        else:
            self._start(self.cancel)

    def _start(self, wish: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.ensure_future(wish())
        self._wishes.add(task)
        task.add_done_callback(self._wishes.discard)


def _on_signal(number: signal.Signals) -> None:
    logger.info("%s received", number.name)
    for runner in tuple(PipelineRunner._active):
        if number in runner._signals:
            runner._obey(number)
