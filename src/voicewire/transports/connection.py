"""One accepted WebSocket connection: messages in, messages out, never waiting.

Nearly all traffic is one shape: a complete, final, masked binary frame. Between two frames that
shape is unmasked and delivered at once (the fast lane). Every other byte goes through the sans-I/O
parser of `websockets`, one frame at a time.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Protocol

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import BytesLike

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import SessionClosed
from voicewire.transports.fast_lane import FrameBoundaries
from voicewire.transports.fragments import MessageAssembler, TooManyFragmentsError
from voicewire.transports.handshake import HandshakeRequest
from voicewire.transports.liveness import Liveness
from voicewire.transports.settings import ConnectionSettings
from voicewire.transports.watchdog import Watchdog

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

logger = logging.getLogger(__name__)

MAX_FRAMES_PER_TURN = 128
"""After so many frames out of one read the other callers have their turn."""

MAX_PONGS_PER_TURN = 8
"""RFC 6455, section 5.5.3: of several pings only the latest need be answered."""

MAX_CLOSE_REASON_BYTES = 123
"""A control frame holds 125 bytes, and the code takes two (RFC 6455, section 5.5)."""

DEAD_PEER_GRACE_SECS = 1.0
"""What a peer that answered no ping gets for answering our close."""

_TEXT_HEAD = 0x80 | Opcode.TEXT
_BINARY_HEAD = 0x80 | Opcode.BINARY
_PONG_HEAD = 0x80 | Opcode.PONG
_MASKED_16_BIT = 0x80 | 126
_MASKED_64_BIT = 0x80 | 127
_pack_16_bit_head = Struct("!BBH").pack
_pack_64_bit_head = Struct("!BBQ").pack


class MessageReceiver(Protocol):
    """Who is told what happens on a connection. All calls are on the event loop's thread."""

    def message_received(self, message: bytes | str) -> None:
        """Take a complete message. An exception closes the connection with 1011."""
        ...

    def writing_paused(self) -> None:
        """Stop sending for now: `write_high_water_bytes` are waiting."""
        ...

    def writing_resumed(self) -> None:
        """Send again."""
        ...

    def connection_closed(self, code: int, reason: str) -> None:
        """Know that it is over; called exactly once, and nothing is called after it.

        The code and reason are those of the side that closed first; 1006 where neither did.
        """
        ...


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
        engine: ServerProtocol,
        request: HandshakeRequest,
        settings: ConnectionSettings | None = None,
        *,
        clock: Clock | None = None,
        early_bytes: bytes = b"",
        on_lost: "Callable[[Connection], None] | None" = None,
    ) -> None:
        """Take over a transport; the caller has sent the answer to the handshake.

        Args:
            transport: Its protocol is to be set to this connection.
            engine: Fresh and open.
            request: The handshake.
            settings: Limits and timeouts.
            clock: For liveness and the closing timeout.
            early_bytes: What the peer sent behind its handshake.
            on_lost: Called when the connection is gone, before its receiver hears of it.
        """
        self.id = secrets.token_hex(8)
        self.remote_address = request.remote_address
        self.path = request.path
        self.headers: Mapping[str, str] = request.headers
        self.query = request.query
        self.subprotocol: str | None = engine.subprotocol
        self.is_open = True
        self.is_writing_paused = False
        self.num_messages_received = 0
        self.num_messages_sent = 0
        self.num_bytes_received = 0
        self.num_bytes_sent = 0
        self._settings = settings or ConnectionSettings()
        self._max_message_bytes = self._settings.max_message_bytes
        clock = clock or MonotonicClock()
        self._now = clock.now
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._write = transport.write
        self._engine = engine
        self._on_lost = on_lost
        self._receiver: MessageReceiver | None = None
        self._boundaries = FrameBoundaries()
        # Between two frames and two messages, open and started: a plain frame needs no parser.
        self._is_fast = False
        # Bytes that nobody may have yet; None while they go straight through.
        self._held: bytearray | None = bytearray(early_bytes)
        self._is_catching_up = False
        self._is_reading = True
        self._assembler = MessageAssembler()
        self._pongs: deque[bytes] = deque(maxlen=MAX_PONGS_PER_TURN)
        self._watchdog = Watchdog(
            clock,
            Liveness(self._settings.ping_interval_secs, self._settings.ping_timeout_secs),
            ping=self._ping,
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
        if not self.is_open:
            raise SessionClosed(*self._close_words())
        if isinstance(message, str):
            head, payload = _TEXT_HEAD, message.encode()
        else:
            head, payload = _BINARY_HEAD, message
        length = len(payload)
        self.num_messages_sent += 1
        self.num_bytes_sent += length
        # One copy of a few hundred bytes is cheaper than writing two pieces.
        if length < 126:
            self._write(bytes((head, length)) + payload)
        elif length < 65536:
            self._write(_pack_16_bit_head(head, 126, length) + payload)
        else:
            self._write(_pack_64_bit_head(head, 127, length) + payload)

    @property
    def last_heard_at(self) -> float:
        """When the peer last gave a sign of life, on the clock that was passed in."""
        return self._watchdog.last_heard_at

    @property
    def num_buffered_bytes(self) -> int:
        """How many bytes the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; TCP is aborted if the peer has not answered within `close_timeout_secs`.

        No message is delivered after this. Closing what is closed or closing does nothing.

        Raises:
            ValueError: The code is not one that may be sent (RFC 6455, section 7.4).
        """
        if not self.is_open:
            return
        try:
            self._engine.send_close(code, _shortened(reason))
        except ProtocolError as exc:
            raise ValueError(f"close code {code} cannot be sent: {exc}") from exc
        self._flush_engine()
        self._engine_moved()
        # The peer's answer has to be read even if nobody ever called start.
        self._catch_up_soon()

    def abort(self) -> None:
        """Drop the connection now, with what is still to be written."""
        if self.is_open:
            self._end = (CloseCode.ABNORMAL_CLOSURE, "aborted")
        self._stop_messages()
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
            self._take(data)
        else:
            # A read that was under way when reading was paused.
            self._held += data

    def eof_received(self) -> bool:
        if not self._engine.reader.eof:
            self._engine.receive_eof()
        self._stop_messages()
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
        self._end = self._close_words()
        self._stop_messages()
        self._is_lost = True
        self._held = None
        self._assembler.clear()
        self._watchdog.stop()
        if self._on_lost is not None:
            self._on_lost(self)
        self._tell_closed()
        self._announce_change()

    # Receiving.

    def _take(self, data: bytes) -> None:
        position = 0
        end = len(data)
        num_frames = 0
        while num_frames < MAX_FRAMES_PER_TURN:
            num_frames += 1
            if self._is_fast and end - position > 7 and data[position] == _BINARY_HEAD:
                length = data[position + 1]
                if length == _MASKED_16_BIT:
                    body = position + 8
                    length = data[position + 2] << 8 | data[position + 3]
                else:
                    body = position + 6
                    # Not masked, or of 64-bit length: longer than anything, so not for here.
                    length = length & 0x7F if 0x80 <= length < _MASKED_64_BIT else end
                after = body + length
                if after <= end and length <= self._max_message_bytes:
                    self._deliver(apply_mask(data[body:after], data[body - 4 : body]))
                    position = after
                    if position == end:
                        break
                    continue
            position = self._parse_frame(data, position)
            if position == end:
                break
        else:
            self._held = bytearray(data[position:])
            self._apply_reading()
            self._catch_up_soon()
        if self._pongs:
            self._write_pongs()

    def _parse_frame(self, data: bytes, position: int) -> int:
        """Feed the parser up to the end of the current frame; return where that is."""
        engine = self._engine
        if engine.eof_sent or self._transport.is_closing():
            return len(data)  # it is over: whatever still comes is not read
        after = self._boundaries.advance(data, position)
        engine.receive_data(data[position:after])
        for frame in engine.events_received():
            if isinstance(frame, Frame):
                self._frame_received(frame)
        self._flush_engine()
        self._engine_moved()
        return after

    def _frame_received(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            is_text = opcode is Opcode.TEXT
            if frame.fin:
                self._deliver_checked(frame.data, is_text=is_text)
            else:
                self._assembler.begin(bytes(frame.data), is_text=is_text)
        elif opcode is Opcode.CONT:
            try:
                message = self._assembler.go_on(bytes(frame.data), is_last=frame.fin)
            except TooManyFragmentsError as exc:
                self._engine.fail(CloseCode.MESSAGE_TOO_BIG, str(exc))
                return
            if message is not None:
                self._deliver_checked(message[0], is_text=message[1])

    def _deliver_checked(self, payload: BytesLike, *, is_text: bool) -> None:
        if not self.is_open:
            return
        if not is_text:
            self._deliver(bytes(payload))
            return
        try:
            text = str(payload, "utf-8")
        except UnicodeDecodeError as exc:
            self._engine.fail(
                CloseCode.INVALID_DATA, f"text is not UTF-8: {exc.reason} at byte {exc.start}"
            )
        else:
            self._deliver(text)

    def _deliver(self, message: bytes | str) -> None:
        self.num_messages_received += 1
        try:
            self._receiver.message_received(message)  # type: ignore[union-attr]  # open: started
        except Exception as exc:  # noqa: BLE001 - it is logged with its traceback
            self._receiver_failed(exc)

    def _catch_up_soon(self) -> None:
        if not self._is_catching_up and self._held is not None:
            self._is_catching_up = True
            self._loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._is_catching_up = False
        if self._held is None:
            return
        data, self._held = bytes(self._held), None
        self._engine_moved()
        if data:
            self._take(data)
        self._apply_reading()

    # The engine.

    def _flush_engine(self) -> None:
        for chunk in self._engine.data_to_send():
            if not chunk:
                self._end_writing()
            elif chunk[0] == _PONG_HEAD:
                self._pongs.append(chunk)
            else:
                self._write_pongs()
                self._write(chunk)

    def _write_pongs(self) -> None:
        if self._pongs:
            pongs = b"".join(self._pongs)
            self._pongs.clear()
            self._write(pongs)

    def _end_writing(self) -> None:
        if self._transport.is_closing():
            return
        if self._engine.close_rcvd is None and self._transport.can_write_eof():
            # Not close(): with bytes unread that sends RST, and the peer loses our close frame.
            self._transport.write_eof()
        else:
            self._transport.close()

    def _engine_moved(self) -> None:
        """Bring our own flags in line with the engine's state."""
        if self._engine.state is State.OPEN:
            self._is_fast = (
                self.is_open
                and self._receiver is not None
                and self._held is None
                and self._assembler.is_between_messages
                and self._boundaries.is_between_frames
            )
        elif not self._watchdog.is_closing and not self._is_lost:
            self._stop_messages()
            self._watchdog.close_within(self._settings.close_timeout_secs)

    def _stop_messages(self) -> None:
        if self.is_open:
            self.is_open = False
            self._announce_change()
        self._is_fast = False

    def _close_words(self) -> tuple[int, str]:
        """Return the code and reason of the side that closed first."""
        if self._end is not None:
            return self._end
        engine = self._engine
        words = engine.close_rcvd if engine.close_rcvd_then_sent else engine.close_sent
        if words is None:
            return CloseCode.ABNORMAL_CLOSURE.value, "connection lost"
        return int(words.code), words.reason

    # Flow and time.

    def _apply_reading(self) -> None:
        wanted = self._held is None and not self.is_writing_paused
        if wanted == self._is_reading or self._transport.is_closing():
            return
        self._is_reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _ping(self) -> None:
        self._engine.send_ping(b"")
        self._flush_engine()

    def _give_up(self) -> None:
        self.close(CloseCode.INTERNAL_ERROR, "ping timeout")
        self._watchdog.close_within(min(DEAD_PEER_GRACE_SECS, self._settings.close_timeout_secs))

    # Telling.

    def _tell(self, call: Callable[[MessageReceiver], None]) -> None:
        if self._receiver is not None and not self._is_lost:
            try:
                call(self._receiver)
            except Exception as exc:  # noqa: BLE001 - as above
                self._receiver_failed(exc)

    def _tell_closed(self) -> None:
        if self._receiver is not None:
            try:
                self._receiver.connection_closed(*self._close_words())
            except Exception:
                logger.exception("connection %s: connection_closed failed", self.id)

    def _receiver_failed(self, exc: Exception) -> None:
        if isinstance(exc, SessionClosed) and not self.is_open:
            return  # it wanted to answer somebody who has just left
        logger.error("connection %s: its receiver failed", self.id, exc_info=exc)
        self.close(CloseCode.INTERNAL_ERROR, "internal error")

    async def _next_change(self) -> None:
        if self._change is None:
            self._change = asyncio.Event()
        await self._change.wait()

    def _announce_change(self) -> None:
        if self._change is not None:
            change, self._change = self._change, None
            change.set()


def _shortened(reason: str) -> str:
    return reason.encode()[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore")
