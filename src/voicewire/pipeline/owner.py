"""Who owns a session's tasks: when the owner ends, none of them is left running."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any


class TaskOwner:
    """An `asyncio.TaskGroup` whose tasks end with its body.

    Leaving the body cancels what still runs and waits for it. An exception of the body comes out
    as it is, not wrapped in a group.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    def create(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run a coroutine until it returns or the owner ends."""
        task = self._group.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def __aenter__(self) -> "TaskOwner":
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        try:
            await self._group.__aexit__(kind, exception, traceback)
        except BaseExceptionGroup as group:
            if exception is not None and len(group.exceptions) == 1:
                raise exception from exception.__cause__
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from group.exceptions[0].__cause__
            raise
