"""Sockets that do what no library's client does."""

import asyncio
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
"""Opcodes of RFC 6455."""

TRY_AGAIN_LATER = 1013
"""What a server closes with that has no place, once it has opened the WebSocket."""

SETTLED_SECS = 1.0
"""Who has not been refused so long after the WebSocket was opened is in."""


def upgrade(url: str, *, origin: str | None = None) -> bytes:
    """Return a handshake request."""
    parts = urlsplit(url)
    from_page = f"Origin: {origin}\r\n" if origin else ""
    return (
        f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{from_page}\r\n"
    ).encode()


def client_frame(opcode: int, content: bytes) -> bytes:
    """Return a client's frame, with a mask of zeros."""
    size = len(content)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2)
    else:
        length = b"\xff" + size.to_bytes(8)
    return bytes([0x80 | opcode]) + length + bytes(4) + content


async def dial(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a TCP connection to a server."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return await asyncio.open_connection(parts.hostname, parts.port)


def blocking_socket(url: str, *, receive_buffer_bytes: int) -> socket.socket:
    """Open a TCP connection whose kernel keeps as little as it may of what is not read."""
    parts = urlsplit(url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    sock.settimeout(5.0)
    sock.connect((parts.hostname, parts.port))
    return sock


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a handshake.

    Attributes:
        status: Of the HTTP answer; 0 where there was none.
        close_code: What the WebSocket was closed with soon after it was opened; 0 if it was not.
        began_at: When the TCP connection was begun, monotonic.
        at: When the server had said so.
    """

    status: int
    close_code: int
    began_at: float
    at: float

    @property
    def is_admitted(self) -> bool:
        """Whether the caller is in."""
        return self.status == 101 and not self.close_code


async def knock(url: str, *, origin: str | None = None, stay_until: float = 0.0) -> Answer:
    """Ask to come in, and say what the answer is.

    Args:
        url: The server's.
        origin: Of the page that asks; None is a program.
        stay_until: Monotonic; who is in leaves then.
    """
    began_at = time.monotonic()
    writer = None
    try:
        reader, writer = await dial(url)
        writer.write(upgrade(url, origin=origin))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30.0)
        answered_at = time.monotonic()
        status = int(head.split(b" ")[1])
        code = 0
        if status == 101:
            with suppress(TimeoutError):
                code = await asyncio.wait_for(_close_code(reader), SETTLED_SECS)
            if code:
                answered_at = time.monotonic()
            else:
                await asyncio.sleep(stay_until - time.monotonic())
        return Answer(status, code, began_at, answered_at)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return Answer(0, 0, began_at, time.monotonic())
    finally:
        if writer is not None:
            writer.transport.abort()


async def _close_code(reader: asyncio.StreamReader) -> int:
    """Return what a connection is closed with."""
    while True:
        opcode, content = await read_frame(reader)
        if opcode == CLOSE:
            return int.from_bytes(content[:2]) or 1005


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return a server's next frame: opcode and content."""
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
    return head[0] & 0x0F, await reader.readexactly(size)
