"""The WebSocket protocol of one connection, without I/O: bytes in, messages out.

Nearly all traffic is one shape: a complete, final, masked frame of data. Between two frames that
shape is unmasked and delivered at once (the fast lane). Every other byte goes through the sans-I/O
parser of `websockets`, one frame at a time; and so does all that a server sends us.
"""

from collections import deque
from collections.abc import Callable
from struct import Struct

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State
from websockets.typing import BytesLike

from voicewire.nobody import nobody
from voicewire.transports.fast_lane import FrameBoundaries
from voicewire.transports.fragments import MessageAssembler, TooManyEmptyFragmentsError

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

MAX_FRAMES_PER_TURN = 128
"""After so many frames out of one read the other callers have their turn."""

MAX_PENDING_PONGS = 16
"""RFC 6455, section 5.5.3: of several pings in a row only the latest need be answered."""

MAX_CLOSE_REASON_BYTES = 123
"""A control frame holds 125 bytes, and the code takes two (RFC 6455, section 5.5)."""

_TEXT_HEAD = 0x80 | Opcode.TEXT
_BINARY_HEAD = 0x80 | Opcode.BINARY
_WHOLE_DATA_HEADS = (_BINARY_HEAD, _TEXT_HEAD)
_PING_HEAD = 0x80 | Opcode.PING
_PONG_HEAD = 0x80 | Opcode.PONG
_CLOSE_HEAD = 0x80 | Opcode.CLOSE
_MASKED_16_BIT = 0x80 | 126
_MASKED_64_BIT = 0x80 | 127
_pack_16_bit_head = Struct("!BBH").pack
_pack_64_bit_head = Struct("!BBQ").pack


class WebSocketEngine:
    """Parses, answers pings, and keeps the closing handshake.

    Attributes:
        is_open: Whether messages may still be sent and are still delivered.
        is_resting: Whether what has come is to wait: set from outside, also during a delivery.
    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        max_message_bytes: int,
        deliver: Callable[[bytes | str], None],
        write: Callable[[bytes], None],
        end_writing: Callable[[], None],
        closing: Callable[[], None],
        pinged: Callable[[], None],
    ) -> None:
        """Take over an open protocol.

        Args:
            protocol: Fresh, after its handshake.
            max_message_bytes: The bound that the protocol has too.
            deliver: Takes a message; it may call anything here.
            write: Takes bytes for the peer.
            end_writing: Nothing more will be written.
            closing: Called once, when either side has begun to close.
            pinged: Called for each ping and pong.
        """
        self.is_open = True
        self.is_resting = False
        self._protocol = protocol
        self._max_message_bytes = max_message_bytes
        self._deliver = deliver
        self._write = write
        self._end_writing = end_writing
        self._closing = closing
        self._pinged = pinged
        is_client = protocol.side is Side.CLIENT
        # What is masked or compressed is the parser's to write.
        self._is_plain = not is_client and not protocol.extensions
        self._boundaries = FrameBoundaries(are_masked=not is_client)
        self._assembler = MessageAssembler()
        self._pongs: deque[bytes] = deque(maxlen=MAX_PENDING_PONGS)
        # Open and between two frames and two messages: a plain frame needs no parser.
        self._is_fast = True
        self._is_deaf = False

    @property
    def has_peer_closed(self) -> bool:
        """Whether the peer's close frame has come; what it sends after it means nothing."""
        return self._protocol.close_rcvd is not None

    def end_words(self) -> tuple[int, str] | None:
        """Return the code and reason of the side that closed first; None if neither has."""
        protocol = self._protocol
        words = protocol.close_rcvd if protocol.close_rcvd_then_sent else protocol.close_sent
        return None if words is None else (int(words.code), words.reason)

    def receive(self, data: bytes) -> bytes:
        """Deliver what is in `data`; return what has to wait for the next turn."""
        position = 0
        end = len(data)
        num_frames = 0
        while position < end and num_frames < MAX_FRAMES_PER_TURN and not self.is_resting:
            num_frames += 1
            if self._is_fast and end - position > 7 and data[position] in _WHOLE_DATA_HEADS:
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
                    payload = apply_mask(data[body:after], data[body - 4 : body])
                    message = _message_in(data[position], payload)
                    if message is not None:
                        self._deliver(message)
                        position = after
                        continue
            position = self._parse_frame(data, position)
            if self._pongs and position < end and data[position] != _PING_HEAD:
                self._write_pongs()  # before the answer to a message that the pings came before
        if self._pongs:
            self._write_pongs()
        return data[position:] if position < end else b""

    def receive_eof(self) -> None:
        """Know that the peer sends nothing more."""
        self.stop()

    def send(self, message: bytes | str) -> int:
        """Write a message; the caller has looked at `is_open`.

        Returns:
            The bytes of its payload, before compression.
        """
        if not self._is_plain:
            return self._send_by_parser(message)
        if isinstance(message, str):
            head, payload = _TEXT_HEAD, message.encode()
        else:
            head, payload = _BINARY_HEAD, message
        length = len(payload)
        # One copy of a few hundred bytes is cheaper than writing two pieces.
        if length < 126:
            self._write(bytes((head, length)) + payload)
        elif length < 65536:
            self._write(_pack_16_bit_head(head, 126, length) + payload)
        else:
            self._write(_pack_64_bit_head(head, 127, length) + payload)
        return length

    def _send_by_parser(self, message: bytes | str) -> int:
        if isinstance(message, str):
            payload = message.encode()
            self._protocol.send_text(payload)
        else:
            payload = message
            self._protocol.send_binary(payload)
        self._flush()
        return len(payload)

    def ping(self) -> None:
        self._protocol.send_ping(b"")
        self._flush()

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake.

        Raises:
            ValueError: The code is not one that may be sent.
        """
        try:
            self._protocol.send_close(code, _shortened(reason))
        except ProtocolError as exc:
            raise ValueError(f"close code {code} cannot be sent: {exc}") from exc
        self._flush()
        self._bring_in_line()

    def stop(self) -> None:
        """Deliver and write nothing more, whatever comes; let go of whom it would tell."""
        self._deliver = self._write = nobody
        self._end_writing = self._closing = self._pinged = nobody
        self.is_open = False
        self._is_fast = False
        self._is_deaf = True
        self._assembler.clear()
        protocol = self._protocol
        if not protocol.reader.eof:
            protocol.receive_eof()  # Ends the parser's generator, which holds the protocol.
        if protocol.parser_exc is not None:
            protocol.parser_exc.__traceback__ = None  # It holds it, too.

    def _parse_frame(self, data: bytes, position: int) -> int:
        """Feed the parser up to the end of the current frame; return where that is."""
        protocol = self._protocol
        if self._is_deaf or protocol.eof_sent:
            return len(data)
        if data[position] == _CLOSE_HEAD and self._boundaries.is_between_frames:
            # It may come in the middle of a message (RFC 6455, section 5.4), which then never ends.
            # The parser would answer that with 1002 instead of the peer's own code.
            protocol.current_size = None
        after = self._boundaries.advance(data, position)
        protocol.receive_data(data[position:after])
        for frame in protocol.events_received():
            if isinstance(frame, Frame):
                self._frame_received(frame)
        if not self._is_deaf:
            self._flush()
            self._bring_in_line()
        return after

    def _frame_received(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            is_text = opcode is Opcode.TEXT
            if frame.fin:
                self._deliver_checked(frame.data, is_text=is_text)
            else:
                self._assembler.begin(bytes(frame.data), is_text=is_text)
        elif opcode is Opcode.PING or opcode is Opcode.PONG:
            self._pinged()
        elif opcode is Opcode.CONT:
            try:
                message = self._assembler.go_on(bytes(frame.data), is_last=frame.fin)
            except TooManyEmptyFragmentsError as exc:
                self._protocol.fail(CloseCode.MESSAGE_TOO_BIG, str(exc))
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
            self._protocol.fail(
                CloseCode.INVALID_DATA, f"text is not UTF-8: {exc.reason} at byte {exc.start}"
            )
        else:
            self._deliver(text)

    def _flush(self) -> None:
        for chunk in self._protocol.data_to_send():
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
            if not self._is_deaf:
                self._write(pongs)

    def _bring_in_line(self) -> None:
        """Bring our own flags in line with the parser's state."""
        if self._protocol.state is State.OPEN:
            self._is_fast = (
                self.is_open
                and self._assembler.is_between_messages
                and self._boundaries.is_between_frames
            )
        elif self.is_open:
            self.is_open = False
            self._is_fast = False
            self._closing()


def _message_in(head: int, payload: bytes) -> bytes | str | None:
    """Return what a whole frame says; None where the parser has to refuse it."""
    if head == _BINARY_HEAD:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _shortened(reason: str) -> str:
    return reason.encode()[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore")
