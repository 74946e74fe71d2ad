"""Things that several services do at once."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def all_at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what each returns, in order.

    When one fails, the others are cancelled, and its exception comes out as it is: in a group,
    nobody who waits for a `ConfigurationError` would see it.
    """
    failure: BaseException
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except* Exception as failures:  # noqa: BLE001 - raised again, out of its group
        failure = failures
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise failure
