"""A network between a client and a server that a test can break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """Hands bytes on between its clients and a server.

    Attributes:
        url: Where its clients find the server.
        num_calls: How many have been let through.
        is_down: Whether nobody is.
    """

    def __init__(self, server_url: str) -> None:
        self.url = ""
        self.num_calls = 0
        self.is_down = False
        self._behind = urlsplit(server_url)
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._is_dark = False
        self._swallowed: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def lead_to(self, server_url: str) -> None:
        """Lead new clients to another server."""
        self._behind = urlsplit(server_url)

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
        if self.is_down:
            writer.transport.abort()
            return
        assert self._behind.hostname is not None
        far_reader, far_writer = await asyncio.open_connection(
            self._behind.hostname, self._behind.port
        )
        self.num_calls += 1
        self._pairs.append((writer, far_writer))
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.ensure_future(self._hand_on(source, sink, self.num_calls))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hand_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                if self._is_dark:
                    self._swallowed.add(number)
                if number not in self._swallowed:
                    sink.write(data)
            sink.close()

    async def settle(self) -> None:
        """Return when nothing is handed on any more."""
        await asyncio.gather(*self._tasks)


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
        relay.cut()
        await relay.settle()
