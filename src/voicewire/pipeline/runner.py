"""Running tasks as a program does: until they end or the process is told to."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from voicewire.pipeline.signals import WATCHES
from voicewire.pipeline.task import PipelineTask

DRAIN_SECS = 10.0
"""How long SIGTERM lets the bot finish what it is saying."""


class PipelineRunner:
    """Runs tasks, and ends them on signals.

    SIGINT (Ctrl-C) cancels. SIGTERM lets the tasks finish what is queued, for at most
    `drain_secs`; another signal cancels at once. A signal that the program handles itself is left
    to the program, and so is every signal where this does not run in the main thread.

    Args:
        handle_sigint: Whether to act on SIGINT.
        handle_sigterm: Whether to act on SIGTERM.
        drain_secs: How long SIGTERM waits before it cancels.
    """

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
        self._tasks: list[PipelineTask] = []
        self._drain_timer: asyncio.TimerHandle | None = None
        self._wishes: set[asyncio.Task[None]] = set()

    async def run(self, task: PipelineTask) -> None:
        """Run `task` until it ends. Several may run at the same time."""
        self._tasks.append(task)
        if len(self._tasks) == 1:
            for number in self._signals:
                WATCHES[number].add(self._obey)
        try:
            await task.run()
        finally:
            self._tasks.remove(task)
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

    def _unwatch_signals(self) -> None:
        for number in self._signals:
            WATCHES[number].remove(self._obey)
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None

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
