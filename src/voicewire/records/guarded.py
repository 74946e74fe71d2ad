"""A server's way to its store: nothing that the store does or fails to do reaches a call."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

from voicewire.records.record import SessionRecord
from voicewire.records.store import SessionStore

logger = logging.getLogger(__name__)

STORE_SECS = 2.0
"""How long the store may take to answer, the wait for its turn included."""

MAX_PUTS = 16
MAX_TAKES = 64
"""Questions to the store at a time. Strangers can ask by tokens that are none."""

T = TypeVar("T")


class StoreBusyError(Exception):
    """Too many ask; the client is to come again."""


@dataclass
class StoreCounts:
    """What has become of records.

    Attributes:
        failures: Times that the store failed or was too slow, or had something that is no record.
        unfit: Times that a conversation could not be made a record of.
        taken_up: Conversations that went on here after another process had let go of them.
    """

    failures: int = 0
    unfit: int = 0
    taken_up: int = 0


class GuardedStore:
    """Puts records into a store and takes them, within bounds, and without an exception.

    What goes wrong is counted, and logged once until it has gone well again.

    Attributes:
        counts: What has become of records.
    """

    def __init__(self, store: SessionStore) -> None:
        self.counts = StoreCounts()
        self._store = store
        self._puts = asyncio.Semaphore(MAX_PUTS)
        self._num_takes = 0
        self._asking: set[asyncio.Task[Any]] = set()
        self._is_failing = False
        self._has_logged_unfit = False

    async def put(self, token: str, content: bytes, *, expires_secs: float) -> bool:
        """Return whether a record has been put."""

        async def put() -> bool:
            async with self._puts:
                await self._store.put(_key(token), content, expires_secs=expires_secs)
            return True

        return await self._within_bounds(put(), otherwise=False)

    async def take(self, token: str) -> bytes | None:
        """Return what there is for a token; None where nothing is, or the store fails.

        Raises:
            StoreBusyError: Too many ask.
        """
        if self._num_takes >= MAX_TAKES:
            raise StoreBusyError
        self._num_takes += 1
        try:
            return await self._within_bounds(self._store.take(_key(token)), otherwise=None)
        finally:
            self._num_takes -= 1

    async def drop(self, token: str) -> None:
        """Forget what there is for a token."""

        async def take() -> None:
            async with self._puts:
                await self._store.take(_key(token))

        await self._within_bounds(take(), otherwise=None)

    def to_json(self, make_record: Callable[[], SessionRecord | None]) -> bytes | None:
        """Return what is to be put; None where nothing is, or, counted, nothing can be."""
        try:
            record = make_record()
            return None if record is None else record.to_json()
        except Exception as exc:  # noqa: BLE001 - of the application's messages and data
            self.counts.unfit += 1
            if not self._has_logged_unfit:
                self._has_logged_unfit = True
                logger.error("a conversation cannot be kept: %s", _fault(exc))
            return None

    def from_json(self, content: bytes) -> SessionRecord | None:
        """Return a record; None, counted, where it is none that is understood here."""
        try:
            return SessionRecord.from_json(content)
        except ValueError:
            self._failed("it has something that is no record, or one of another version")
            return None

    async def close(self) -> None:
        """Let go of the store's connections."""
        await self._within_bounds(self._store.close(), otherwise=None)

    async def _within_bounds(self, asking: Coroutine[Any, Any, T], *, otherwise: T) -> T:
        # A task of its own: one that swallows its cancellation is left to itself.
        task = asyncio.get_running_loop().create_task(asking, name="session store")
        self._asking.add(task)
        task.add_done_callback(self._answered)
        try:
            await asyncio.wait((task,), timeout=STORE_SECS)
        finally:
            task.cancel()
        if not task.done():
            self._failed(f"no answer within {STORE_SECS:g} s")
            return otherwise
        exc = task.exception()
        if exc is not None:
            self._failed(f"{type(exc).__name__}: {exc}")
            return otherwise
        if self._is_failing:
            self._is_failing = False
            logger.info("the session store works again")
        return task.result()

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever still waits for it has seen it.

    def _failed(self, why: str) -> None:
        self.counts.failures += 1
        if not self._is_failing:
            self._is_failing = True
            logger.error("the session store fails; calls go on without it: %.300s", why)


def _key(token: str) -> str:
    """Return what a record is kept under: who can read the store cannot come back by it."""
    return blake2b(token.encode(), digest_size=24).hexdigest()


def _fault(exc: Exception) -> str:
    # Others quote what somebody has said.
    return str(exc) if type(exc) is ValueError else "something in it is no JSON"
