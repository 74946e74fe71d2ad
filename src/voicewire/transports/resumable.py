"""Callers who lose their connection and come back."""

import logging
import secrets
from collections.abc import Callable

from voicewire.clock import Clock, TimerHandle
from voicewire.nobody import nobody
from voicewire.transports.caller_connection import CountedConnection
from voicewire.transports.identity import subject_of
from voicewire.transports.lasting import CLOSE_NOT_RESUMABLE, LastingConnection
from voicewire.transports.replay import ReplayLog

logger = logging.getLogger(__name__)

MAX_KEPT_BYTES = 2 << 20
"""What may wait for an acknowledgement: twenty seconds of stereo PCM at 24 kHz. Clients acknowledge
every second."""


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


class ResumableConnection(LastingConnection[CountedConnection]):
    """The connection of a client that may come back.

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
        connection: CountedConnection,
        tokens: ResumeTokens,
        *,
        clock: Clock,
        window_secs: float,
        token: str = "",
    ) -> None:
        super().__init__(connection)
        self.window_secs = window_secs
        self._tokens = tokens
        self._clock = clock
        self._received_before = 0
        self._num_uncounted = 0
        self._invitation: Invitation | None = None
        self._on_held: Callable[[], None] = nobody
        self._token = ""
        self._old_token = token
        if token:
            tokens.adopt(token, self)
        self._timer: TimerHandle | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """What the client has to come back by, or had when it came to its end."""
        return tuple(filter(None, (self._token, self._old_token)))

    @property
    def num_received(self) -> int:
        """How many messages of the client's have come."""
        now = 0 if self._connection is None else self._connection.num_messages_received
        return self._received_before + now

    def send_uncounted(self, message: bytes | str) -> None:
        """Send a message that is about what is counted, before anything is."""
        if self._connection is not None and self._connection.is_open:
            self._connection.send(message)
            self._num_uncounted += 1

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
            # One from before a loss, which the client has repeated, knows of less.
            self._log.acknowledge(max(num_received, self._log.num_acknowledged))
            if self._old_token:  # It speaks, so it has got the new one.
                self._tokens.revoke(self._old_token)
                self._old_token = ""

    def go_on(
        self, connection: CountedConnection, token: str, num_received: int
    ) -> tuple[int, str] | None:
        """Go on with the connection by which the client has come back.

        One that it had before is dropped, whatever becomes of it.

        Returns:
            Why that cannot be, as the code and words of a goodbye; None where it goes on.

        Args:
            connection: Fresh, not started.
            token: What the client has shown. It stays good until the client has the next one.
            num_received: How many messages the client has got.
        """
        if self._log is None:  # Over, or taken up from a store for a client that says no hello.
            return CLOSE_NOT_RESUMABLE, "the session is over"
        if subject_of(connection.identity) != subject_of(self.identity):
            logger.warning("connection %s: somebody else has shown its token", self.id)
            return CLOSE_NOT_RESUMABLE, "the session is somebody else's"
        try:
            self._log.acknowledge(num_received)
        except ValueError as exc:
            return CLOSE_NOT_RESUMABLE, str(exc)
        if self._timer is not None:
            self._timer.cancel()
        stale, self._received_before = self._connection, self.num_received
        self._connection = connection
        if stale is not None:
            stale.abort()
        logger.info("connection %s: the client is back, as %s", self.id, connection.id)
        for each in self.tokens:
            if each != token:
                self._tokens.revoke(each)
        self._old_token = token
        self._deliver_from(connection)
        self._invite(connection)
        self._repeat(connection, self._log)
        return None

    def _invite(self, connection: CountedConnection) -> None:
        """Tell the client its next token; this message is not counted."""
        assert self._invitation is not None  # noqa: S101 - set with the log
        self._token = self._tokens.issue(self)
        connection.send(self._invitation(self._token, self.num_received))

    def _lost(self, connection: CountedConnection, code: int, reason: str) -> None:
        self._received_before += connection.num_messages_received
        logger.info("connection %s: lost; the client may come back", self.id)
        self._timer = self._clock.call_later(self.window_secs, lambda: self._end(code, reason))
        self._on_held()

    def _forget(self) -> None:
        self._log = self._invitation = None
        self._on_held = nobody
        for token in (self._token, self._old_token):
            self._tokens.revoke(token)
        if self._timer is not None:
            self._timer.cancel()
