"""A caller's connection that outlives the TCP connections under it."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping

from voicewire.clock import Clock, TimerHandle
from voicewire.errors import SessionClosed
from voicewire.transports.connection import ABNORMAL_CLOSURE, PING_TIMEOUT, Connection
from voicewire.transports.identity import subject_of
from voicewire.transports.receiver import MessageReceiver
from voicewire.transports.replay import ReplayLog

logger = logging.getLogger(__name__)

MAX_KEPT_BYTES = 2 << 20
"""What may wait for an acknowledgement: twenty seconds of stereo PCM at 24 kHz. Clients acknowledge
every second."""

CLOSE_SILENT = 4000
"""Close code of our own client for a connection that has fallen silent."""

CLOSE_NOT_RESUMABLE = 4004
"""Close code for a client that wants to go on with a session that is over."""


def make_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(24)


class ResumeTokens:
    """Who may go on with which session. A token is good until the client has the next one.

    Args:
        make: Makes tokens.
    """

    def __init__(self, make: Callable[[], str] = make_token) -> None:
        self._make = make
        self._connections: dict[str, ResumableConnection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def issue(self, connection: "ResumableConnection") -> str:
        """Return a new token for a session."""
        token = self._make()
        self._connections[token] = connection
        return token

    def adopt(self, token: str, connection: "ResumableConnection") -> None:
        """Let a session be gone on with by a token of another process."""
        self._connections[token] = connection

    def revoke(self, token: str) -> None:
        """Let nobody in by a token any more."""
        self._connections.pop(token, None)

    def find(self, token: str) -> "ResumableConnection | None":
        """Return the connection that a token is for; None where it is no good any more."""
        return self._connections.get(token)


Invitation = Callable[[str, int], bytes | str]
"""Makes the message that tells a client its token, and how many of its messages have come."""


class ResumableConnection:
    """What the session knows as its connection: a `Connection`, and after a loss the next one.

    A client asks for it (`let_resume`). From then on what is sent to it is kept until it says that
    it has come. When the connection is lost, nothing is closed: what the session sends waits, for
    `window_secs` at most, until the client comes back by its token (`go_on`) and both ends repeat
    what the other has not got: exactly that, in order, audio and all else.

    Args:
        connection: The caller's first, not started.
        tokens: Those of the server.
        clock: The time.
        window_secs: How long a client may be away.
        token: What the client has shown that has left another process; it is good, too, until the
            client has the next one.
    """

    def __init__(
        self,
        connection: Connection,
        tokens: ResumeTokens,
        *,
        clock: Clock,
        window_secs: float,
        token: str = "",
    ) -> None:
        self.id = connection.id
        self.path = connection.path
        self.headers: Mapping[str, str] = connection.headers
        self.query: Mapping[str, str] = connection.query
        self.identity = connection.identity
        self.subprotocol = connection.subprotocol
        self.remote_address = connection.remote_address
        self.window_secs = window_secs
        self._tokens = tokens
        self._clock = clock
        self._connection: Connection | None = connection
        self._receiver: MessageReceiver | None = None
        self._received_before = 0
        self._num_uncounted = 0
        self._log: ReplayLog | None = None
        self._invitation: Invitation | None = None
        self._on_held: Callable[[], None] = lambda: None
        self._token = ""
        self._old_token = token
        if token:
            tokens.adopt(token, self)
        self._is_final = False  # Nothing is resumed any more: one side has said goodbye.
        self._timer: TimerHandle | None = None
        self._last_words = (ABNORMAL_CLOSURE, "")
        self._over = asyncio.Event()
        self._writable = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ResumableConnection {self.id} {self._connection!r}>"

    # What the session sees.

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent, though they may have to wait for the client."""
        is_there = self._connection is not None and self._connection.is_open
        return is_there or self.can_come_back

    @property
    def is_writing_paused(self) -> bool:
        return self._connection is None or self._connection.is_writing_paused

    @property
    def end_words(self) -> tuple[int, str]:
        return self._last_words if self._connection is None else self._connection.end_words

    @property
    def tokens(self) -> tuple[str, ...]:
        """What the client has to come back by, or had when it came to its end."""
        return tuple(filter(None, (self._token, self._old_token)))

    @property
    def can_come_back(self) -> bool:
        """Whether the client may come back by them."""
        return self._log is not None and not self._is_final

    @property
    def is_lost(self) -> bool:
        """Whether the client is away, and may come back."""
        return self._connection is None and self.can_come_back

    @property
    def num_received(self) -> int:
        """How many messages of the client's have come."""
        now = 0 if self._connection is None else self._connection.num_messages_received
        return self._received_before + now

    def start(self, receiver: MessageReceiver) -> None:
        """Deliver to `receiver` from now on."""
        self._receiver = receiver
        assert self._connection is not None  # noqa: S101 - nobody is held before
        self._connection.start(_Leg(self, self._connection, receiver))

    def send(self, message: bytes | str) -> None:
        """Send a message, or keep it until the client is back.

        Raises:
            SessionClosed: It does not come back, or has said goodbye.
        """
        connection = self._connection
        if self._log is None:
            if connection is None:
                raise SessionClosed(ABNORMAL_CLOSURE, "the client has not come back")
            connection.send(message)
            return
        self._log.append(message)
        if connection is None:
            return
        try:
            connection.send(message)
        except SessionClosed:
            if not self.can_come_back:
                raise
        if not self._log.is_complete:
            logger.info(
                "connection %s: the client acknowledges nothing, and cannot resume", self.id
            )
            self._forget()

    def send_uncounted(self, message: bytes | str) -> None:
        """Send a message that is about what is counted, before anything is."""
        if self._connection is not None and self._connection.is_open:
            self._connection.send(message)
            self._num_uncounted += 1

    def rest(self, secs: float) -> None:
        """Read nothing for so many seconds."""
        if self._connection is not None:
            self._connection.rest(secs)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; a client that is away finds nothing to come back to."""
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
        """Return when the client is gone for good and the receiver has been told."""
        await self._over.wait()

    async def wait_writable(self) -> None:
        """Return when writing is not paused, or not possible any more."""
        while self.is_writing_paused and self.is_open:
            self._writable.clear()
            await self._writable.wait()

    # What the client wants.

    def let_resume(self, invitation: Invitation, *, on_held: Callable[[], None]) -> None:
        """Let the client come back after a loss, and tell it how.

        Args:
            invitation: Makes the message that tells it.
            on_held: Called when it is lost for now: nothing more is to be sent until writing is
                resumed.
        """
        if self._log is None and self._connection is not None and not self._is_final:
            num_sent = self._connection.num_messages_sent - self._num_uncounted
            self._log = ReplayLog(num_sent, max_bytes=MAX_KEPT_BYTES)
            self._invitation = invitation
            self._on_held = on_held
            self._invite(self._connection)

    def acknowledge(self, num_received: int) -> None:
        """Take note of how many messages the client has got, since it first came.

        Raises:
            ValueError: It cannot have got so many.
        """
        if self._log is not None:
            self._log.acknowledge(num_received)
            if self._old_token:  # It speaks, so it has got the new one.
                self._tokens.revoke(self._old_token)
                self._old_token = ""

    def go_on(self, connection: Connection, num_received: int) -> None:
        """Go on with the connection by which the client has come back.

        One that it had before is dropped, whatever becomes of it.

        Args:
            connection: Fresh, not started.
            num_received: How many messages the client has got.
        """
        assert self._receiver is not None  # noqa: S101 - it has had a token
        if self._log is None:
            connection.close(CLOSE_NOT_RESUMABLE, "the session is over")
            return
        if subject_of(connection.identity) != subject_of(self.identity):
            logger.warning("connection %s: somebody else has shown its token", self.id)
            connection.close(CLOSE_NOT_RESUMABLE, "the session is somebody else's")
            return
        try:
            self._log.acknowledge(num_received)
        except ValueError as exc:
            connection.close(CLOSE_NOT_RESUMABLE, str(exc))
            return
        if self._timer is not None:
            self._timer.cancel()
        stale, self._received_before = self._connection, self.num_received
        self._connection = connection
        if stale is not None:
            stale.abort()
        logger.info("connection %s: the client is back, as %s", self.id, connection.id)
        self._tokens.revoke(self._old_token)
        self._old_token = self._token
        connection.start(_Leg(self, connection, self._receiver))
        self._invite(connection)
        for message in self._log.unacknowledged():
            connection.send(message)
        self._writable.set()
        if not connection.is_writing_paused:
            self._receiver.writing_resumed()

    def _invite(self, connection: Connection) -> None:
        """Tell the client its next token; this message is not counted."""
        assert self._invitation is not None  # noqa: S101 - set with the log
        self._token = self._tokens.issue(self)
        connection.send(self._invitation(self._token, self.num_received))

    # What becomes of the connections.

    def connection_ended(self, connection: Connection, code: int, reason: str) -> None:
        """Hold the session, or end it; a connection that was dropped for another is nothing."""
        if connection is not self._connection:
            return
        was_lost = code in (ABNORMAL_CLOSURE, CLOSE_SILENT) or reason == PING_TIMEOUT
        if not (was_lost and self.can_come_back):
            self._end(code, reason)
            return
        self._received_before += connection.num_messages_received
        self._connection = None
        logger.info("connection %s: lost; the client may come back", self.id)
        self._timer = self._clock.call_later(self.window_secs, lambda: self._end(code, reason))
        self._on_held()

    def writable(self) -> None:
        """Wake those who wait to send."""
        self._writable.set()

    def _forget(self) -> None:
        self._log = None
        for token in (self._token, self._old_token):
            self._tokens.revoke(token)
        if self._timer is not None:
            self._timer.cancel()

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
        if self._receiver is not None:
            self._receiver.connection_closed(code, reason)


class _Leg:
    """One TCP connection's receiver: messages go straight to the session."""

    def __init__(
        self, owner: ResumableConnection, connection: Connection, receiver: MessageReceiver
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
