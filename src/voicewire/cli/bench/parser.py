"""WebSocket frames as a load generator needs them (RFC 6455, section 5). Pure.

Not a checking parser: what comes from the server under load is believed, and costs little.
"""

from collections.abc import Iterator
from struct import Struct

from websockets.frames import Frame, Opcode

_FIN = 0x80
_BINARY_HEAD = _FIN | Opcode.BINARY
_MASKED = 0x80
_read_16_bits = Struct("!H").unpack_from
_read_64_bits = Struct("!Q").unpack_from

Message = tuple[Opcode, bytes]
"""A whole data message (`TEXT`, `BINARY`) or a control frame (`PING`, `PONG`, `CLOSE`)."""


class ServerProtocolError(Exception):
    """The server sent what no client can read."""


def client_message(message: bytes | str) -> bytes:
    """Return a whole message as a masked frame."""
    if isinstance(message, str):
        return Frame(Opcode.TEXT, message.encode()).serialize(mask=True)
    return Frame(Opcode.BINARY, message).serialize(mask=True)


def control_frame(opcode: Opcode, payload: bytes) -> bytes:
    """Return a masked control frame."""
    return Frame(opcode, payload).serialize(mask=True)


class FrameParser:
    """Takes what was read from the socket, cut anywhere; gives messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._fragments: list[bytes] = []
        self._fragments_opcode = Opcode.BINARY

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete with `data`.

        Raises:
            ServerProtocolError: A frame is masked, or of no known kind.
        """
        if self._rest:
            data = self._rest + data
        position, end = 0, len(data)
        while end - position >= 2:
            head, length = data[position], data[position + 1]
            body = position + 2
            if length == 126:
                body += 2
                if body > end:
                    break
                (length,) = _read_16_bits(data, position + 2)
            elif length == 127:
                body += 8
                if body > end:
                    break
                (length,) = _read_64_bits(data, position + 2)
            elif length & _MASKED:
                raise ServerProtocolError("a masked frame")
            after = body + length
            if after > end:
                break
            position = after
            if head == _BINARY_HEAD:
                yield Opcode.BINARY, data[body:after]
            else:
                yield from self._take(head, data[body:after])
        self._rest = data[position:]

    def _take(self, head: int, payload: bytes) -> Iterator[Message]:
        try:
            opcode = Opcode(head & ~_FIN)
        except ValueError:
            raise ServerProtocolError(f"a frame that begins with 0x{head:02x}") from None
        if opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
            yield opcode, payload
            return
        if opcode is not Opcode.CONT:
            self._fragments_opcode = opcode
        self._fragments.append(payload)
        if head & _FIN:
            whole = b"".join(self._fragments)
            self._fragments.clear()
            yield self._fragments_opcode, whole
