"""A peer on a plain socket: it can do everything that a well-behaved client does not."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.transports.fake_transport import Recorder
from voicewire.transports.connection import Connection
from voicewire.transports.listener import Listener

DEADLINE_SECS = 10.0


def upgrade(path: str = "/ws", *fields: str, without: str = "", method: str = "GET") -> bytes:
    """Return a handshake request.

    Args:
        path: The request target.
        fields: Further header lines.
        without: The usual header lines that begin with this are left out.
        method: The HTTP method.
    """
    lines = [
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    kept = [line for line in lines if not without or not line.startswith(without)]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *kept, *fields, "", ""]).encode()


class RawPeer:
    """Both ends of the stream, each wait with a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, num_bytes: int) -> bytes:
        async with asyncio.timeout(DEADLINE_SECS):
            return await self.reader.readexactly(num_bytes)

    async def read_head(self) -> str:
        """Return an answer's head."""
        async with asyncio.timeout(DEADLINE_SECS):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def read_all(self) -> bytes:
        """Return everything up to the end of the stream."""
        async with asyncio.timeout(DEADLINE_SECS):
            return await self.reader.read()

    async def shake_hands(self, request: bytes | None = None) -> None:
        self.write(upgrade() if request is None else request)
        assert (await self.read_head()).startswith("HTTP/1.1 101 ")

    async def answer(self, request: bytes) -> tuple[int, str]:
        """Send a request that is refused; return the status and everything that was said."""
        self.write(request)
        said = (await self.read_all()).decode()
        return int(said.split(" ")[1]), said


@asynccontextmanager
async def raw_peer(listener: Listener, host: str = "127.0.0.1") -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection(host, listener.port)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


class Visits:
    """Starts each connection with a recorder, and lets tests wait for them."""

    def __init__(self) -> None:
        self.visits: asyncio.Queue[tuple[Connection, Recorder]] = asyncio.Queue()

    def __call__(self, connection: Connection) -> None:
        recorder = Recorder()
        connection.start(recorder)
        self.visits.put_nowait((connection, recorder))

    async def next(self) -> tuple[Connection, Recorder]:
        async with asyncio.timeout(DEADLINE_SECS):
            return await self.visits.get()


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[Listener, Visits]]:
    """Run a listener on a free port; in the end nothing of it is left."""
    visits = Visits()
    options = {"host": "127.0.0.1", "port": 0, "on_connection": visits, **options}
    listener = Listener(**options)
    await listener.start()
    try:
        yield listener, visits
    finally:
        await listener.close()
        for connection in list(listener.connections):
            connection.abort()
            await connection.wait_closed()
        assert listener.num_pending_handshakes == 0


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds."""
    async with asyncio.timeout(DEADLINE_SECS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)
