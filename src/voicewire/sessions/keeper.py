"""Keeps the record of one session in the store, as long as the client may come back by it."""

import asyncio
from typing import Protocol

from voicewire.clock import Clock
from voicewire.records import SessionRecord
from voicewire.records.guarded import GuardedStore
from voicewire.transports.resumable import ResumableConnection

SAVE_SECS = 1.0
"""How often it is looked whether there is something new to keep: what a crash may cost."""

REFRESH_SECS = 10.0
"""How often a record is put again that has not changed, for none stays longer than it has to."""


class Remembering(Protocol):
    """Whose conversation it is."""

    def make_record(self) -> SessionRecord | None:
        """Return the conversation as it is now; None where the bot lets nothing be kept."""
        ...


class RecordKeeper:
    """Looks at a session every second, and puts its record where it has changed.

    Args:
        store: Where it is kept.
        connection: The client's.
        of: Whose it is.
        clock: The time.
        taken: The token by which the conversation was taken up here, and its record.
    """

    def __init__(
        self,
        store: GuardedStore,
        connection: ResumableConnection,
        of: Remembering,
        *,
        clock: Clock,
        taken: tuple[str, bytes] | None = None,
    ) -> None:
        self._store = store
        self._connection = connection
        self._of = of
        self._clock = clock
        self._taken = taken
        self._tokens: set[str] = set()
        self._content = b""
        self._put_at = 0.0
        self._was_lost = False

    async def run(self) -> None:
        """Keep the record up to date until this is cancelled."""
        while True:
            await asyncio.sleep(SAVE_SECS)
            # Once after a loss: from then on another process may have it.
            if not (self._connection.is_lost and self._was_lost):
                self._was_lost = self._connection.is_lost
                await self._save()

    async def finish(self, *, is_kept: bool) -> None:
        """Let the client find its record, or nothing.

        Args:
            is_kept: Whether the conversation may go on in another process.
        """
        tokens = set(self._connection.tokens)
        if self._taken is not None and tokens == {self._taken[0]} and not self._tokens:
            await self._put(tokens, self._taken[1])  # It was lost before it had the next one.
        elif is_kept and not self._was_lost:
            content = self._to_json()
            if content is not None:
                await self._put(tokens, content)
        elif not is_kept:
            for token in self._tokens:
                await self._store.drop(token)

    async def _save(self) -> None:
        if not self._connection.can_come_back:
            return
        content = self._to_json()
        if content is None:
            return
        tokens = set(self._connection.tokens)
        for token in self._tokens - tokens:
            await self._store.drop(token)
        self._tokens &= tokens
        is_old = self._clock.now() - self._put_at >= REFRESH_SECS
        if is_old or content != self._content or tokens != self._tokens:
            await self._put(tokens, content)

    async def _put(self, tokens: set[str], content: bytes) -> None:
        expires_secs = self._connection.window_secs + 2 * REFRESH_SECS
        self._tokens = set(tokens)
        for token in tokens:
            if not await self._store.put(token, content, expires_secs=expires_secs):
                return
        self._content, self._put_at = content, self._clock.now()

    def _to_json(self) -> bytes | None:
        return self._store.to_json(self._of.make_record)
