"""The first messages of a wire that says who calls before anything else."""

import asyncio
import logging
from contextlib import suppress

from voicewire.clock import Clock
from voicewire.errors import FrameDecodeError, SessionClosed
from voicewire.pipeline.owner import wait_at_most
from voicewire.serializers import FrameSerializer
from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.receiver import MessageReceiver
from voicewire.transports.stats import TransportStats

logger = logging.getLogger(__name__)

INTRODUCTION_SECS = 10.0
"""How long a caller may take to say who calls; providers do so at once."""

MAX_KEPT_BYTES = 64 * 1024
"""What a caller says before the bot is ready, beyond which nothing more is read for a while."""

REST_SECS = 0.5

CLOSE_POLICY = 1008
"""Close code for a caller who does not keep to the rules (RFC 6455, section 7.4.1)."""


class Introduction:
    """Hears a caller out until it is known who calls, and keeps what follows for the session.

    A wire that has nothing to say beforehand is introduced from the start: nothing of it is read
    until the session begins.

    Args:
        connection: The caller's, not started.
        serializer: Understands the caller's messages.
        clock: The time.
        stats: Where messages are counted.

    Attributes:
        serializer: What the caller has turned out to speak.
    """

    def __init__(
        self,
        connection: CallerConnection,
        serializer: FrameSerializer,
        *,
        clock: Clock,
        stats: TransportStats,
    ) -> None:
        self.serializer = serializer
        self._connection = connection
        self._clock = clock
        self._stats = stats
        self._session: MessageReceiver | None = None
        self._kept: list[bytes | str] = []
        self._kept_bytes = 0
        self._is_writing_paused = False
        self._end: tuple[int, str] | None = None
        self._is_over = asyncio.Event()
        self._is_listening = False
        self._has_refused = False

    async def hear_out(self) -> bool:
        """Return when it is known who calls, or when it will not be: then False.

        A caller who does not say it in time is closed (1008).
        """
        if not self.serializer.has_started:
            self._is_listening = True
            self._connection.start(self)
            await self._wait_until_over()
        return self.serializer.has_started and self._end is None

    def begin(self, session: MessageReceiver) -> None:
        """Let the session have what has been kept, and all that comes."""
        if not self._is_listening:
            self._connection.start(session)
            return
        self._session = session
        if self._is_writing_paused:
            session.writing_paused()
        kept, self._kept = self._kept, []
        for message in kept:
            session.message_received(message)
        if self._end is not None:
            session.connection_closed(*self._end)

    def message_received(self, message: bytes | str) -> None:
        if self._session is not None:
            self._session.message_received(message)
        elif self.serializer.has_started:
            self._keep(message)
        else:
            self._listen(message)

    def writing_paused(self) -> None:
        self._is_writing_paused = True
        if self._session is not None:
            self._session.writing_paused()

    def writing_resumed(self) -> None:
        self._is_writing_paused = False
        if self._session is not None:
            self._session.writing_resumed()

    def connection_closed(self, code: int, reason: str) -> None:
        self._end = (code, reason)
        self._is_over.set()
        session, self._session = self._session, None
        if session is not None:
            session.connection_closed(code, reason)

    async def _wait_until_over(self) -> None:
        async def wait() -> None:
            await self._is_over.wait()

        over = asyncio.ensure_future(wait())
        try:
            if not await wait_at_most(INTRODUCTION_SECS, (over,), clock=self._clock):
                self._connection.close(CLOSE_POLICY, "nothing has said who calls")
        finally:
            over.cancel()

    def _listen(self, message: bytes | str) -> None:
        self._stats.messages_in += 1
        try:
            if self.serializer.deserialize(message) is not None:
                self._keep(message)  # It tells what the caller speaks, and is for the session.
        except FrameDecodeError as exc:
            self._stats.messages_refused[exc.kind] += 1
            if not self._has_refused:
                self._has_refused = True
                logger.warning("message refused (%s): %s", exc.kind, exc)
        with suppress(SessionClosed):  # `connection_closed` follows.
            for reply in self.serializer.take_replies():
                self._connection.send(reply)
        if self.serializer.has_started:
            self.serializer = self.serializer.settled
            self._is_over.set()

    def _keep(self, message: bytes | str) -> None:
        self._kept.append(message)
        self._kept_bytes += len(message)
        if self._kept_bytes > MAX_KEPT_BYTES:
            self._connection.rest(REST_SECS)
