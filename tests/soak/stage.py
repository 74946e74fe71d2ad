"""What callers of a soak share, and what is known of each call."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.soak.scale import SHORT, Scale
from tests.transports.raw_peer import upgrade
from voicewire.audio.pcm import parse_wav
from voicewire.cli.bench.speech import OWN_SPEECH
from voicewire.sessions.ends import EndReason

PACKET_BYTES = 640
"""20 ms at 16 kHz."""

PACKET_SECS = 0.02

SHORT_PHRASE_BYTES = 48_000
"""1.5 s."""

PATIENCE_SECS = 30.0
"""How long anything may take that a caller waits for."""

NOBODY: frozenset[EndReason] = frozenset()


@cache
def phrases() -> list[bytes]:
    """Return what callers say: s16le at 16 kHz."""
    recordings = [parse_wav(path.read_bytes()) for path in sorted(OWN_SPEECH.glob("*.wav"))]
    assert all((rate, channels) == (16000, 1) for _, rate, channels in recordings)
    return [pcm for pcm, _, _ in recordings]


@dataclass
class Stage:
    """Where a call takes place.

    Attributes:
        url: The server's.
        scale: How long everything takes.
        rng: All that is left to chance.
    """

    url: str
    scale: Scale
    rng: random.Random

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def phrase(self) -> bytes:
        phrase = self.rng.choice(phrases())
        return phrase[:SHORT_PHRASE_BYTES] if self.scale is SHORT else phrase

    def some_secs(self) -> float:
        """Return how long to talk, or to wait."""
        return self.rng.uniform(0.3, 1.0) * self.scale.talk_secs

    @asynccontextmanager
    async def socket(self, path: str = "/") -> AsyncIterator[ClientConnection]:
        """Open a connection that reads nothing by itself, and be gone from it at the end."""
        client = await connect(
            self.url + path, compression=None, proxy=None, ping_interval=None, max_queue=4
        )
        try:
            yield client
            await client.close()
        finally:
            client.transport.abort()

    @asynccontextmanager
    async def bare(
        self, *, limit: int = 1 << 16
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open TCP alone, with room for `limit` bytes that come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=limit)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @asynccontextmanager
    async def bare_websocket(
        self, path: str = "/", *, limit: int = 1024
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a WebSocket that answers nothing, not even pings."""
        async with self.bare(limit=limit) as (reader, writer):
            writer.write(upgrade(path))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECS)
            assert head.startswith(b"HTTP/1.1 101 "), head
            yield reader, writer


async def drain(client: ClientConnection) -> None:
    """Take whatever comes, to the end of the connection."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in client:
            pass


def reset(writer: asyncio.StreamWriter) -> None:
    """End TCP with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass(frozen=True)
class Deed:
    """Something that callers do.

    Attributes:
        name: For the table.
        run: One call.
        ends: How the session of such a call may end; empty where there is none.
        weight: How often it is done beside the others.
    """

    name: str
    run: Callable[[Stage], Awaitable[None]]
    ends: frozenset[EndReason]
    weight: int = 4
