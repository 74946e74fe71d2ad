"""An event loop in simulated time, without sockets: it jumps to what is due next."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from tests.simulation.network import Client, Link, Weather
from voicewire.clock import TimerHandle

ProtocolFactory = Callable[[], asyncio.Protocol]


class StandstillError(RuntimeError):
    """Everybody waits, and nothing will ever happen."""


class SimulatedServer:
    """What `create_server` returns."""

    def __init__(self, factory: ProtocolFactory, sock: socket.socket) -> None:
        self.factory = factory
        self.is_open = True
        self._sock = sock

    def close(self) -> None:
        self.is_open = False
        self._sock.close()


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs what is ready, and where nothing is, lets time pass until something is.

    The order is the same in every run. Servers are reached by `call`, and by nothing else.

    Attributes:
        failures: What has been given to the exception handler.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[dict[str, Any]] = []
        self._now = 1000.0
        self._selector = self  # What `BaseEventLoop` waits with.
        self._clock_resolution = 1e-9
        self._servers: list[SimulatedServer] = []
        self._num_calls = 0
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._now

    @property
    def timers(self) -> list[str]:
        """Calls that are still to come."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return [repr(timer) for timer in scheduled if not timer.cancelled()]

    def select(self, timeout_secs: float | None) -> list[Any]:
        """Let time pass."""
        if timeout_secs is None:
            raise StandstillError("nothing is due, and nobody is coming")
        self._now += timeout_secs
        return []

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    async def create_server(  # type: ignore[override]  # as much of it as the listener uses
        self, factory: ProtocolFactory, *, sock: socket.socket, backlog: int
    ) -> SimulatedServer:
        """Serve on a socket: its port is not used."""
        server = SimulatedServer(factory, sock)
        self._servers.append(server)
        return server

    def call(self, client: Client, *, ip: str = "10.0.0.1", weather: Weather | None = None) -> Link:
        """Connect a client to the newest server.

        Raises:
            ConnectionRefusedError: It listens no more.
        """
        server = self._servers[-1]
        if not server.is_open:
            raise ConnectionRefusedError
        self._num_calls += 1
        return Link(self, server.factory(), client, (ip, self._num_calls), weather or Weather())


class LoopClock:
    """A clock of voicewire's with an event loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        self._loop = loop

    def call_later(self, delay_secs: float, callback: Callable[[], None]) -> TimerHandle:
        return self._loop.call_later(delay_secs, callback)
