"""A network between a client and a server that a test can break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """Hands bytes on between its clients and a server.

    Attributes:
        url: Where its clients find the server.
        is_down: Whether nobody is.
    """

    def __init__(self, server_url: str) -> None:
        self.url = ""
        self.is_down = False
        self._behind = _address_of(server_url)
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._is_dark = False
        self._tasks: set[asyncio.Task[None]] = set()

    def lead_to(self, server_url: str) -> None:
        """Lead new clients to another server."""
        self._behind = _address_of(server_url)

    def cut(self) -> None:
        """Reset all connections; what is on its way is gone."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    def swallow(self) -> None:
        """Hand nothing on any more of what there is, and do not say so."""
        self._is_dark = True

    def come_back(self) -> None:
        """Let new clients through; what was swallowed stays so."""
        self._is_dark = self.is_down = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to the server, and hand on what both say until they have said it all."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._behind)
        except OSError:
            writer.transport.abort()
            return
        if self.is_down:
            for each in (writer, far_writer):
                each.transport.abort()
            return
        self._pairs.append((writer, far_writer))
        both = (self._hand_on(reader, far_writer), self._hand_on(far_reader, writer))
        await asyncio.gather(*both)

    async def _hand_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        is_swallowed = False
        with suppress(ConnectionError, RuntimeError):  # uvloop's, when it has been cut
            while data := await source.read(65_536):
                is_swallowed = is_swallowed or self._is_dark
                if not is_swallowed:
                    sink.write(data)
            sink.close()

    async def stop(self) -> None:
        """Let nobody through any more; return when nothing is handed on."""
        self.is_down = True
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


@asynccontextmanager
async def relay_to(server_url: str) -> AsyncIterator[Relay]:
    relay = Relay(server_url)
    listener = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    relay.url = f"ws://{host}:{port}"
    try:
        yield relay
    finally:
        listener.close()
        await relay.stop()
