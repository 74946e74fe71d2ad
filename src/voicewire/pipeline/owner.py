"""Who owns a session's tasks: when the owner ends, none of them is left running."""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any

from voicewire.clock import Clock

logger = logging.getLogger(__name__)

RECANCEL_SECS = 1.0
"""How often a task that has swallowed its cancellation is cancelled again, and complained of."""


class TaskOwner:
    """An `asyncio.TaskGroup` whose tasks end with its body.

    Leaving the body cancels what still runs and waits for it, again and again where a task
    swallows its cancellation. An exception of the body, or of a single task, comes out as it is,
    not wrapped in a group.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closing = False
        self._recancel_timer: asyncio.TimerHandle | None = None

    @property
    def is_closing(self) -> bool:
        """Whether the body has been left: what runs has been cancelled, or has ended."""
        return self._is_closing

    def create(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run a coroutine until it returns or the owner ends; while it ends, cancel it at once.

        Raises:
            RuntimeError: The owner has ended, or has not begun.
        """
        try:
            task = self._group.create_task(coroutine, name=name)
        except RuntimeError:
            coroutine.close()
            raise
        self._tasks.add(task)
        task.add_done_callback(self._has_ended)
        if self._is_closing:
            task.cancel()
        return task

    def _has_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        let_go_of_stack(task)

    async def __aenter__(self) -> "TaskOwner":
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closing = True
        self._cancel_all()
        failures: BaseExceptionGroup[BaseException]
        try:
            await self._group.__aexit__(kind, exception, traceback)
            return
        except BaseExceptionGroup as group:
            failures = group
        finally:
            if self._recancel_timer is not None:
                self._recancel_timer.cancel()
        # Raised out here, so that the group does not become the exception's own context: a cycle
        # that would keep every frame of the stack alive.
        if isinstance(exception, Exception):
            self._log_all_but(exception, failures)
            return
        if len(failures.exceptions) == 1:
            raise failures.exceptions[0]
        raise failures

    def _cancel_all(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            loop = asyncio.get_running_loop()
            self._recancel_timer = loop.call_later(RECANCEL_SECS, self._cancel_stubborn)

    def _cancel_stubborn(self) -> None:
        for task in self._tasks:
            logger.warning("the task %r has swallowed its cancellation", task.get_name())
        self._cancel_all()

    def _log_all_but(
        self, exception: Exception, failures: BaseExceptionGroup[BaseException]
    ) -> None:
        for failure in failures.exceptions:
            if failure is not exception:
                logger.error("a task failed as its session ended", exc_info=failure)


def let_go_of_stack(task: asyncio.Task[Any]) -> None:
    """Have a task that has been cancelled keep nobody alive; for `add_done_callback`.

    It keeps the exception, and with that its stack and whoever has created it, until it is asked
    for its result.
    """
    if task.cancelled():
        with suppress(asyncio.CancelledError):
            task.result()


def is_being_cancelled() -> bool:
    """Tell a cancellation of the running task from that of something it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def wait_at_most(
    timeout_secs: float, tasks: Collection[asyncio.Task[Any]], *, clock: Clock
) -> bool:
    """Wait until all tasks are done, and return True; cancel those that take longer."""
    timeout = asyncio.get_running_loop().create_future()
    timer = clock.call_later(timeout_secs, lambda: timeout.set_result(None))
    pending = set(tasks)
    try:
        while pending and not timeout.done():
            done, _ = await asyncio.wait({*pending, timeout}, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
    finally:
        timer.cancel()
        for task in pending:
            task.cancel()
    return not pending
