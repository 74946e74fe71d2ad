"""One open WebSocket connection: messages in, messages out, never waiting."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping

from websockets.protocol import Protocol

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import SessionClosed
from voicewire.transports.engine import WebSocketEngine
from voicewire.transports.handshake import HandshakeRequest
from voicewire.transports.identity import Identity
from voicewire.transports.intake import Intake
from voicewire.transports.liveness import Liveness
from voicewire.transports.receiver import MessageReceiver as MessageReceiver
from voicewire.transports.settings import ConnectionSettings
from voicewire.transports.sockets import has_hung_up
from voicewire.transports.watchdog import Watchdog

logger = logging.getLogger(__name__)

REST_SIGN_SECS = 0.5
"""How often a peer of which nothing is read counts as heard of: its pongs cannot be."""

PING_SECS = 0.01
PINGS_AHEAD_SECS = 10.0
"""A peer may send a thousand pings and pongs at once, and then as many as these say; of one that
sends more nothing is read until they are due."""

DEAD_PEER_GRACE_SECS = 1.0
"""What a peer that answered no ping gets for answering our close."""

ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011
PING_TIMEOUT = "ping timeout"
"""What a peer is told, should it hear it, that gave no sign of life."""


class Connection(asyncio.Protocol):
    """An open WebSocket connection.

    Nothing is read before `start`: messages wait in the kernel and slow the peer down. While
    writing is paused nothing is read either, so that a peer that asks without listening to the
    answers stays within the write buffer.

    The methods that `asyncio.Protocol` names are for the transport alone.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: Protocol,
        request: HandshakeRequest,
        settings: ConnectionSettings | None = None,
        *,
        clock: Clock | None = None,
        identity: Identity | None = None,
        early_bytes: bytes = b"",
        on_lost: "Callable[[Connection], None] | None" = None,
    ) -> None:
        """Take over a transport; the caller has sent the answer to the handshake.

        Args:
            transport: Its protocol is to be set to this connection.
            protocol: The sans-I/O WebSocket protocol, fresh and open.
            request: The handshake.
            settings: Limits and timeouts.
            clock: For liveness and the closing timeout.
            identity: Who the peer is, where that is known.
            early_bytes: What the peer sent behind its handshake.
            on_lost: Called when the connection is gone, before its receiver hears of it.
        """
        self.id = secrets.token_hex(8)
        self.remote_address = request.remote_address
        self.path = request.path
        self.headers: Mapping[str, str] = request.headers
        self.query = request.query
        self.identity = identity
        self.subprotocol: str | None = protocol.subprotocol
        self.is_writing_paused = False
        self.num_messages_received = 0
        self.num_messages_sent = 0
        self.num_bytes_received = 0
        self.num_bytes_sent = 0
        self._settings = settings or ConnectionSettings()
        self._clock = clock = clock or MonotonicClock()
        self._now = clock.now
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._engine = WebSocketEngine(
            protocol,
            max_message_bytes=self._settings.max_message_bytes,
            deliver=self._deliver,
            write=transport.write,
            end_writing=self._end_writing,
            closing=self._closing,
            pinged=self._was_pinged,
        )
        self._on_lost = on_lost
        self._receiver: MessageReceiver | None = None
        # Bytes that nobody may have yet; None while they go straight through.
        self._held: bytearray | None = bytearray(early_bytes)
        self._is_catching_up = False
        self._is_reading = True
        self._rests_until = 0.0
        self._pings = Intake(PINGS_AHEAD_SECS, now=self._now())
        self._watchdog = Watchdog(
            clock,
            Liveness(self._settings.ping_interval_secs, self._settings.ping_timeout_secs),
            ping=self._engine.ping,
            give_up=self._give_up,
            abort=transport.abort,
        )
        self._end: tuple[int, str] | None = None
        self._is_lost = False
        self._change: asyncio.Event | None = None
        transport.set_write_buffer_limits(
            high=self._settings.write_high_water_bytes, low=self._settings.write_low_water_bytes
        )
        self._apply_reading()

    def __repr__(self) -> str:
        # The query and the headers may hold tokens.
        state = "open" if self.is_open else "closed" if self._is_lost else "closing"
        return f"<Connection {self.id} {self.path!r} {state}>"

    # The owner's side.

    def start(self, receiver: MessageReceiver) -> None:
        """Deliver to `receiver` from the next turn of the event loop on."""
        if self._receiver is not None:
            raise RuntimeError("the connection has been started already")
        self._receiver = receiver
        if self._is_lost:
            self._loop.call_soon(self._tell_closed)
            return
        if self.is_writing_paused:
            receiver.writing_paused()
        self._catch_up_soon()
        if self.is_open:
            self._watchdog.watch()

    def send(self, message: bytes | str) -> None:
        """Hand a message to the transport; nothing waits, so heed `is_writing_paused`.

        Raises:
            SessionClosed: The connection is not open any more.
        """
        if not self._engine.is_open:
            raise SessionClosed(*self.end_words)
        self.num_bytes_sent += self._engine.send(message)
        self.num_messages_sent += 1

    def rest(self, secs: float) -> None:
        """Read nothing for so many seconds; the peer's messages wait on its side."""
        self._rests_until = max(self._rests_until, self._now() + secs)
        if not self._engine.is_resting and not self._is_lost:
            self._engine.is_resting = True
            self._apply_reading()
            self._clock.call_later(min(secs, REST_SIGN_SECS), self._wake)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent; false as soon as either side has begun to close."""
        return self._engine.is_open

    @property
    def end_words(self) -> tuple[int, str]:
        """The code and reason of the side that closed first; 1006 where neither did, or has yet."""
        return self._end or self._engine.end_words() or (ABNORMAL_CLOSURE, "connection lost")

    @property
    def last_heard_at(self) -> float:
        """When the peer last gave a sign of life, on the clock that was passed in."""
        return self._watchdog.last_heard_at

    @property
    def num_buffered_bytes(self) -> int:
        """How many bytes the kernel has not taken yet."""
        return 0 if self._is_lost else self._transport.get_write_buffer_size()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; TCP is aborted if the peer has not answered within `close_timeout_secs`.

        No message is delivered after this. Closing what is closed or closing does nothing.

        Raises:
            ValueError: The code is not one that may be sent (RFC 6455, section 7.4).
        """
        if not self.is_open:
            return
        self._engine.close(code, reason)
        self._rests_until = 0.0
        # The peer's answer has to be read even if nobody ever called start.
        self._catch_up_soon()

    def abort(self) -> None:
        """Drop the connection now, with what is still to be written."""
        if self._is_lost:
            return  # asyncio's transports do not bear an abort after the end
        if self.is_open:
            self._end = (ABNORMAL_CLOSURE, "aborted")
        self._engine.stop()
        self._announce_change()
        self._transport.abort()

    async def wait_closed(self) -> None:
        """Return when TCP is closed and the receiver has been told."""
        while not self._is_lost:
            await self._next_change()

    async def wait_writable(self) -> None:
        """Return when writing is not paused, or not possible any more."""
        while self.is_writing_paused and self.is_open:
            await self._next_change()

    # The transport's side.

    def data_received(self, data: bytes) -> None:
        self._watchdog.last_heard_at = self._now()
        self.num_bytes_received += len(data)
        if self._held is None:
            rest = self._engine.receive(data)
            if rest:
                self._hold(rest)
        else:
            # A read that was under way when reading was paused.
            self._held += data

    def eof_received(self) -> bool:
        self._engine.receive_eof()
        self._announce_change()
        # What is left to write may never go: the transport closes only when it has gone.
        self._watchdog.close_within(self._settings.close_timeout_secs)
        return False

    def pause_writing(self) -> None:
        self.is_writing_paused = True
        self._apply_reading()
        self._tell(lambda receiver: receiver.writing_paused())

    def resume_writing(self) -> None:
        self.is_writing_paused = False
        # The peer took something, so it is alive, though nothing was read from it meanwhile.
        self._watchdog.last_heard_at = self._now()
        self._apply_reading()
        self._announce_change()
        self._tell(lambda receiver: receiver.writing_resumed())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_lost:
            return
        self._end = self.end_words
        self._engine.stop()
        self._is_lost = True
        self._held = None
        self._watchdog.stop()
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(self)
        self._tell_closed()
        self._announce_change()

    # Receiving.

    def _hold(self, rest: bytes) -> None:
        self._held = bytearray(rest)
        self._apply_reading()
        self._catch_up_soon()

    def _deliver(self, message: bytes | str) -> None:
        self.num_messages_received += 1
        try:
            self._receiver.message_received(message)  # type: ignore[union-attr]  # open: started
        except Exception as exc:  # noqa: BLE001 - it is logged with its traceback
            self._receiver_failed(exc)

    def _was_pinged(self) -> None:
        rest_secs = self._pings.take(PING_SECS, now=self._now())
        if rest_secs > 0.0:
            self.rest(rest_secs)

    def _wake(self) -> None:
        if has_hung_up(self._transport):
            self.abort()  # Nobody waits for what is made of the rest.
            return
        now = self._now()
        self._watchdog.last_heard_at = now
        remaining_secs = self._rests_until - now
        if remaining_secs > 0 and self.is_open:
            self._clock.call_later(min(remaining_secs, REST_SIGN_SECS), self._wake)
            return
        self._engine.is_resting = False
        self._catch_up_soon()
        self._apply_reading()

    def _catch_up_soon(self) -> None:
        if not self._is_catching_up and self._held is not None and not self._engine.is_resting:
            self._is_catching_up = True
            self._loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._is_catching_up = False
        if self._held is None or self._engine.is_resting:
            return
        data, self._held = bytes(self._held), None
        rest = self._engine.receive(data)
        if rest:
            self._hold(rest)
        self._apply_reading()

    # Ending.

    def _end_writing(self) -> None:
        if self._transport.is_closing():
            return
        if not self._engine.has_peer_closed and self._transport.can_write_eof():
            # Not close(): with bytes unread that sends RST, and the peer loses our close frame.
            self._transport.write_eof()
        else:
            self._transport.close()

    def _closing(self) -> None:
        self._announce_change()
        self._watchdog.close_within(self._settings.close_timeout_secs)

    def _give_up(self) -> None:
        self.close(INTERNAL_ERROR, PING_TIMEOUT)
        self._watchdog.close_within(min(DEAD_PEER_GRACE_SECS, self._settings.close_timeout_secs))

    # Flow.

    def _apply_reading(self) -> None:
        wanted = self._held is None and not self.is_writing_paused and not self._engine.is_resting
        if wanted == self._is_reading or self._transport.is_closing():
            return
        self._is_reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    # Telling.

    def _tell(self, call: Callable[[MessageReceiver], None]) -> None:
        if self._receiver is not None and not self._is_lost:
            try:
                call(self._receiver)
            except Exception as exc:  # noqa: BLE001 - as above
                self._receiver_failed(exc)

    def _tell_closed(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            try:
                receiver.connection_closed(*self.end_words)
            except Exception:
                logger.exception("connection %s: connection_closed failed", self.id)

    def _receiver_failed(self, exc: Exception) -> None:
        if isinstance(exc, SessionClosed) and not self.is_open:
            return  # it wanted to answer somebody who has just left
        logger.error("connection %s: its receiver failed", self.id, exc_info=exc)
        self.close(INTERNAL_ERROR, "internal error")

    async def _next_change(self) -> None:
        if self._change is None:
            self._change = asyncio.Event()
        await self._change.wait()

    def _announce_change(self) -> None:
        if self._change is not None:
            change, self._change = self._change, None
            change.set()
