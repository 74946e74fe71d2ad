"""A connection that outlives the TCP connections under it, whichever side opens them."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

from voicewire.errors import SessionClosed
from voicewire.transports.caller_connection import CountedConnection
from voicewire.transports.connection import ABNORMAL_CLOSURE, PING_TIMEOUT
from voicewire.transports.receiver import MessageReceiver
from voicewire.transports.replay import ReplayLog

logger = logging.getLogger(__name__)

CLOSE_SILENT = 4000
"""Close code of our own client for a connection that has fallen silent."""

CLOSE_NOT_RESUMABLE = 4004
"""Close code for a client that wants to go on with a session that is over."""


Leg = TypeVar("Leg", bound=CountedConnection)
"""The kind of connection that it has, one after the other."""


class LastingConnection(ABC, Generic[Leg]):
    """What a session knows as its connection: one, and after a loss the next one.

    Subclasses know when it begins to keep what is sent (`_log`), and how the next one is come by.

    Args:
        connection: The first one, not started.
    """

    def __init__(self, connection: Leg) -> None:
        self.id = connection.id
        self.path = connection.path
        self.headers: Mapping[str, str] = connection.headers
        self.query: Mapping[str, str] = connection.query
        self.identity = connection.identity
        self.subprotocol = connection.subprotocol
        self.remote_address = connection.remote_address
        self._connection: Leg | None = connection
        self._receiver: MessageReceiver | None = None
        self._log: ReplayLog | None = None
        self._is_final = False  # Nothing is resumed any more: one side has said goodbye.
        self._last_words = (ABNORMAL_CLOSURE, "")
        self._over = asyncio.Event()
        self._writable = asyncio.Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self._connection!r}>"

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent, though they may have to wait for the other end."""
        is_there = self._connection is not None and self._connection.is_open
        return is_there or self.can_come_back

    @property
    def is_writing_paused(self) -> bool:
        return self._connection is None or self._connection.is_writing_paused

    @property
    def end_words(self) -> tuple[int, str]:
        return self._last_words if self._connection is None else self._connection.end_words

    @property
    def can_come_back(self) -> bool:
        """Whether a loss would not be the end."""
        return self._log is not None and not self._is_final

    @property
    def is_lost(self) -> bool:
        """Whether there is no connection now, and there may be one again."""
        return self._connection is None and self.can_come_back

    def start(self, receiver: MessageReceiver) -> None:
        """Deliver to `receiver` from now on."""
        self._receiver = receiver
        assert self._connection is not None  # noqa: S101 - nothing is lost before
        self._deliver_from(self._connection)

    def send(self, message: bytes | str) -> None:
        """Send a message, or keep it until there is a connection again.

        Raises:
            SessionClosed: There will be none, or one side has said goodbye.
        """
        connection = self._connection
        if self._log is None:
            if connection is None:
                raise SessionClosed(ABNORMAL_CLOSURE, "the other end has not come back")
            connection.send(message)
            return
        self._log.append(message)
        if connection is not None:
            try:
                connection.send(message)
            except SessionClosed:
                if not self.can_come_back:
                    raise
        if not self._log.is_complete:
            logger.info("connection %s: nothing is acknowledged, so nothing is resumed", self.id)
            self._forget()
            if connection is None:
                self._end_soon(ABNORMAL_CLOSURE, "lost for too long")

    def rest(self, secs: float) -> None:
        """Read nothing for so many seconds."""
        if self._connection is not None:
            self._connection.rest(secs)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; where the connection is lost, there is nothing to come back to."""
        self._is_final = True
        self._forget()
        if self._connection is not None:
            self._connection.close(code, reason)
        else:
            self._end_soon(code, reason)

    def abort(self) -> None:
        """Drop the connection now."""
        self._is_final = True
        self._forget()
        if self._connection is not None:
            self._connection.abort()
        else:
            self._end_soon(ABNORMAL_CLOSURE, "aborted")

    async def wait_closed(self) -> None:
        """Return when it is over for good and the receiver has been told."""
        await self._over.wait()

    async def wait_writable(self) -> None:
        """Return when writing is not paused, or not possible any more."""
        while self.is_writing_paused and self.is_open:
            self._writable.clear()
            await self._writable.wait()

    def connection_ended(self, connection: Leg, code: int, reason: str) -> None:
        """Wait for the next one, or end; one that was dropped for another is nothing."""
        if connection is not self._connection:
            return
        if not (self._is_loss(code, reason) and self.can_come_back):
            self._end(code, reason)
            return
        self._connection = None
        self._lost(connection, code, reason)

    def writable(self) -> None:
        """Wake those who wait to send."""
        self._writable.set()

    @abstractmethod
    def _lost(self, connection: Leg, code: int, reason: str) -> None:
        """Do what brings the next connection, or ends the waiting for it."""

    @abstractmethod
    def _forget(self) -> None:
        """Let nobody come back any more."""

    def _is_loss(self, code: int, reason: str) -> bool:
        """Return whether these are the last words of a connection that nobody has ended."""
        return code in (ABNORMAL_CLOSURE, CLOSE_SILENT) or reason == PING_TIMEOUT

    def _deliver_from(self, connection: Leg) -> None:
        assert self._receiver is not None  # noqa: S101 - the callers have one
        connection.start(_LegReceiver(self, connection, self._receiver))

    def _repeat(self, connection: Leg, log: ReplayLog) -> None:
        """Send what the other end has not got, and let the session go on."""
        for message in log.unacknowledged():
            connection.send(message)
        self._writable.set()
        if not connection.is_writing_paused and self._receiver is not None:
            self._receiver.writing_resumed()

    def _end_soon(self, code: int, reason: str) -> None:
        asyncio.get_running_loop().call_soon(self._end, code, reason)

    def _end(self, code: int, reason: str) -> None:
        if self._over.is_set():
            return
        self._is_final = True
        self._forget()
        self._last_words = code, reason
        self._over.set()
        self._writable.set()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.connection_closed(code, reason)


class _LegReceiver(Generic[Leg]):
    """One connection's receiver: messages go straight to the session."""

    def __init__(
        self, owner: LastingConnection[Leg], connection: Leg, receiver: MessageReceiver
    ) -> None:
        self.message_received = receiver.message_received
        self.writing_paused = receiver.writing_paused
        self._owner = owner
        self._connection = connection
        self._receiver = receiver

    def writing_resumed(self) -> None:
        self._owner.writable()
        self._receiver.writing_resumed()

    def connection_closed(self, code: int, reason: str) -> None:
        self._owner.connection_ended(self._connection, code, reason)
