"""A network between a page and its server that can be taken away."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Literal


class Network:
    """Carries bytes to a server and back.

    Attributes:
        port: Where the page finds it.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._state: Literal["up", "cut", "silent"] = "up"
        self._is_up = asyncio.Event()
        self._is_up.set()

    def cut(self) -> None:
        """End all connections without a goodbye, and let nobody connect."""
        self._call("cut")

    def be_silent(self) -> None:
        """Carry nothing, and say nothing of it."""
        self._call("silent")

    def mend(self) -> None:
        self._call("up")

    async def run(self, started: threading.Event, over: asyncio.Event) -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await over.wait()
        server.close()
        self._set("cut")

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def _call(self, state: Literal["up", "cut", "silent"]) -> None:
        self._loop.call_soon_threadsafe(self._set, state)

    def _set(self, state: Literal["up", "cut", "silent"]) -> None:
        self._state = state
        if state == "up":
            self._is_up.set()
        else:
            self._is_up.clear()
        if state == "cut":
            for writer in self._writers:
                writer.transport.abort()
            self._writers.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state == "cut":
            writer.transport.abort()
            return
        await self._is_up.wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await self._is_up.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


@contextlib.contextmanager
def network_to(server_port: int) -> Iterator[Network]:
    """Carry bytes from a free port on this machine to the server's."""
    network = Network(server_port)
    started, over = threading.Event(), asyncio.Event()
    loop = network.loop

    def run() -> None:
        loop.run_until_complete(network.run(started, over))
        loop.run_until_complete(asyncio.sleep(0.1))  # Connections end a moment later.
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield network
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
