"""Threads for blocking inference, and a bound on how many calls wait for them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from voicewire.errors import QueueFullError

T = TypeVar("T")


class InferenceWorker:
    """Runs blocking calls on a few threads, first come, first served.

    A call beyond the bound is refused at once: under such a load its answer would come too late
    to be of use in a conversation. A call whose waiter is cancelled before it has begun does not
    run; one that has begun runs to its end, unheard.
    """

    def __init__(self, name: str, *, num_threads: int, max_waiting: int) -> None:
        """Prepare; threads start with the first calls.

        Args:
            name: Of the queue, in an error and in the threads' names.
            num_threads: Calls that run at the same time.
            max_waiting: Calls that may wait besides.
        """
        self._name = name
        self._max_waiting = max_waiting
        self._max_calls = num_threads + max_waiting
        self._num_calls = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix=name)

    @property
    def num_calls(self) -> int:
        """Calls that run or wait."""
        return self._num_calls

    async def run(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, called on one of the threads.

        Raises:
            QueueFullError: `max_waiting` calls wait already.
        """
        with self._lock:
            if self._num_calls >= self._max_calls:
                raise QueueFullError(self._name, self._max_waiting, "waiting calls")
            self._num_calls += 1
        try:
            future = self._executor.submit(function)
        except RuntimeError:  # the interpreter is shutting down
            self._forget()
            raise
        future.add_done_callback(self._forget)
        return await asyncio.wrap_future(future)

    def _forget(self, _future: Future[T] | None = None) -> None:
        with self._lock:
            self._num_calls -= 1
