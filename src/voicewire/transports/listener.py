"""The listening side of a port: WebSocket callers and plain HTTP requests through one door."""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from voicewire.clock import Clock, MonotonicClock
from voicewire.transports.acceptor import Acceptor
from voicewire.transports.connection import Connection
from voicewire.transports.front_door import FrontDoor
from voicewire.transports.gate import Admission
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.origins import is_loopback
from voicewire.transports.proxies import is_within
from voicewire.transports.settings import ListenerSettings
from voicewire.transports.sockets import adopt_socket, bind_sockets
from voicewire.transports.tls import Certificate

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from voicewire.transports.http_side import HttpSide

logger = logging.getLogger(__name__)

Admit = Callable[[HandshakeRequest], Admission | Awaitable[Admission]]

HandOver = Callable[[HandshakeRequest, int, bytes], bool]
"""Given a handshake, its socket's file descriptor and all that has been read of it, returns whether
another process gets it. Raises OSError where it should, and cannot for now."""

LOOK_SECS = 0.02
"""How often a listener that retires looks whether all whom it has taken are through the door."""

CLOSE_GRACE_SECS = 1.0
"""How long HTTP responses in progress may take to end when the listener closes."""


MAX_LINGERING = 256
MAX_LINGERING_PER_IP = 8
"""Callers who have been refused, and have a moment to read the answer."""


class Listener:
    """Accepts callers on one port.

    ::

        listener = Listener(host="localhost", port=0, on_connection=serve_caller)
        listener.bind()          # from here on the kernel holds callers
        await listener.start()   # from here on they are answered
        ...
        await listener.close()

    `admit` is asked about each valid handshake, after the origin, and before it is answered. Once
    it has admitted one, `on_connection` is called for it, exactly once, even if the caller has
    left meanwhile. If the caller leaves while an asynchronous `admit` is still thinking, that is
    cancelled.

    Attributes:
        connections: The open WebSocket connections; closing them is their owner's part.
        is_on_loopback: Whether only this machine can reach it; known after `bind`.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        on_connection: Callable[[Connection], None],
        admit: Admit | None = None,
        http_app: "Callable[[], ASGIApp] | None" = None,
        settings: ListenerSettings | None = None,
        clock: Clock | None = None,
        sockets: Sequence[socket.socket] = (),
        accept_delay_secs: Callable[[int], float] | None = None,
        hand_over: HandOver | None = None,
    ) -> None:
        """Describe the door; nothing is opened yet.

        Args:
            host: "localhost" is both IPv4 and IPv6 loopback, "" every interface.
            port: 0 picks a free one; see `port` after `bind`.
            on_connection: Called with each connection; it, or somebody later, calls its `start`.
            admit: Who may come in; None for everybody whose origin is right.
            http_app: Makes the ASGI application for what is no WebSocket; None answers 426.
            settings: Limits and timeouts.
            clock: For the timeouts.
            sockets: Listening sockets that somebody else has bound, to be used instead of `host`
                and `port`; closed with the listener.
            accept_delay_secs: For sockets that several processes share: how long to leave a
                caller who waits to the others, given how many are at the door here. None takes
                all who wait at once.
            hand_over: Gives a caller to another process that they want; None has no other.

        Raises:
            ConfigurationError: `sockets` has one that is none.
        """
        self.host = host
        self.admit = admit
        self.hand_over = hand_over
        self.settings = settings or ListenerSettings()
        self.clock: Clock = clock or MonotonicClock()
        self.connections: set[Connection] = set()
        self.is_on_loopback = False
        self.http_side: HttpSide | None = None
        self._port = port
        self._on_connection = on_connection
        self._http_app = http_app
        self._given = list(sockets)
        self._accept_delay_secs = accept_delay_secs
        self._sockets: list[socket.socket] = []
        self._certificate: Certificate | None = None
        self._acceptors: list[Acceptor] = []
        self._servers: list[asyncio.Server] = []
        self._doors: set[FrontDoor] = set()
        self._lingering: set[FrontDoor] = set()  # They have been refused.
        self._crowd: Counter[str] = Counter()
        self._agreeing: Counter[str] = Counter()  # On TLS: they have no door yet.
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port; after `bind` never 0."""
        return self._port

    @property
    def url(self) -> str:
        """Where a client on this machine, or one that knows the host's name, connects."""
        host = {"": "localhost", "0.0.0.0": "localhost", "::": "localhost"}.get(  # noqa: S104
            self.host, self.host
        )
        scheme = "ws" if self.settings.tls is None else "wss"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def num_pending_handshakes(self) -> int:
        return len(self._doors)

    def bind(self) -> None:
        """Open the port; callers queue in the kernel until `start`.

        Raises:
            AddressInUseError: Somebody else listens there.
            ConfigurationError: The host is no address of this machine, a socket that was given
                does not listen, or the certificate cannot be used.
        """
        if self._sockets:
            raise RuntimeError("the listener is bound already")
        if self.settings.tls is not None:
            self._certificate = Certificate(self.settings.tls, clock=self.clock)
        for sock in self._given:
            adopt_socket(sock, self.settings)
        self._sockets = self._given or bind_sockets(self.host, self._port, self.settings)
        self._port = self._sockets[0].getsockname()[1]
        self.is_on_loopback = all(is_loopback(sock.getsockname()[0]) for sock in self._sockets)

    async def start(self) -> None:
        """Begin to accept; binds first where `bind` has not been called."""
        if self._servers or self._acceptors:
            raise RuntimeError("the listener has been started already")
        if not self._sockets:
            self.bind()
        if self._http_app is not None:
            # Not at the top: a process that only speaks WebSocket does not need uvicorn.
            from voicewire.transports.http_side import HttpSide

            self.http_side = HttpSide(
                self._http_app, self.settings, self.clock, on_upgrade=self._readmit
            )
        for sock in self._sockets:
            await self._accept_from(sock)

    async def _accept_from(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        delay_secs = self._accept_delay_secs
        # asyncio's own server, where no file descriptor is left, tries and logs it a thousand
        # times in a row, and plans as many further attempts; uvloop's hangs up on who waits.
        has_good_server = not isinstance(loop, asyncio.SelectorEventLoop)
        if has_good_server and delay_secs is None and self._certificate is None:
            server = await loop.create_server(
                lambda: FrontDoor(self), sock=sock, backlog=self.settings.backlog
            )
            self._servers.append(server)
            return
        acceptor = Acceptor(
            sock,
            clock=self.clock,
            add_reader=loop.add_reader,
            remove_reader=loop.remove_reader,
            on_accepted=self._accepted,
            delay_secs=lambda: delay_secs(self._num_at_the_door) if delay_secs else 0.0,
        )
        self._acceptors.append(acceptor)
        acceptor.start()

    @property
    def _num_at_the_door(self) -> int:
        return len(self._doors) + len(self._tasks)

    def take(self, accepted: socket.socket, said: bytes, refusal: Rejection | None = None) -> None:
        """Let a caller in who has come to another process, without TLS.

        Args:
            accepted: Their socket, which does not block.
            said: What has been read of it.
            refusal: What they are to be answered, whatever they want.
        """
        self._open(accepted, lambda: FrontDoor(self, said=said, refusal=refusal), None)

    def _accepted(self, accepted: socket.socket) -> None:
        if self._certificate is None:
            self._open(accepted, lambda: FrontDoor(self), None)
            return
        try:
            ip = str(accepted.getpeername()[0])
        except OSError:  # They have left.
            accepted.close()
            return
        if not self._has_room_for(ip):
            accepted.close()  # Nothing can be said before TLS is agreed on.
            return
        self._agreeing[ip] += 1
        now = self.clock.now()
        opening = self._open(accepted, lambda: FrontDoor(self, arrived_at=now), self._certificate)
        opening.add_done_callback(lambda _: _take_off(self._agreeing, ip))

    def _open(
        self,
        accepted: socket.socket,
        make_door: Callable[[], FrontDoor],
        certificate: Certificate | None,
    ) -> asyncio.Task[None]:
        def close_if_cancelled(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                accepted.close()

        opening = self.spawn(self._open_door(accepted, make_door, certificate))
        opening.add_done_callback(close_if_cancelled)
        return opening

    async def _open_door(
        self,
        accepted: socket.socket,
        make_door: Callable[[], FrontDoor],
        certificate: Certificate | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            if certificate is None:
                await loop.connect_accepted_socket(make_door, accepted)
            else:
                await loop.connect_accepted_socket(
                    make_door,
                    accepted,
                    ssl=certificate.context(),
                    ssl_handshake_timeout=self.settings.handshake_timeout_secs,
                    ssl_shutdown_timeout=self.settings.connection.close_timeout_secs,
                )
        except OSError as exc:
            logger.info("a caller has left at the door: %s", exc)
            accepted.close()

    def _has_room_for(self, ip: str) -> bool:
        """Return whether one more may begin to agree on TLS."""
        if self._num_at_the_door >= self.settings.max_pending_handshakes:
            return False
        limit = self.settings.max_pending_handshakes_per_ip
        num_at_the_door = self._crowd[ip] + self._agreeing[ip]
        return limit is None or num_at_the_door < limit or not self.is_one_caller(ip)

    def leave_port(self) -> None:
        """Accept nobody more; what has been accepted goes on."""
        for server in self._servers:
            # wait_closed would wait for the WebSocket connections too (Python 3.12).
            server.close()
        for acceptor in self._acceptors:
            acceptor.close()
        if not self._servers and not self._acceptors:
            for sock in self._sockets:
                sock.close()
        self._servers.clear()
        self._acceptors.clear()
        self._sockets.clear()

    async def retire(self) -> None:
        """Accept nobody more, and return when all who have been accepted are through the door.

        For a port that others listen on too: whoever has reached this process gets an answer.
        """
        self.leave_port()
        # Bounded by the handshake timeout; no event is worth its upkeep for so rare a wait.
        while self._doors or self._tasks:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECS)

    async def close(self) -> None:
        """Stop listening, and end everything but the open WebSocket connections."""
        self.leave_port()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for door in (*self._doors, *self._lingering):
            door.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.http_side is not None:
            await self.http_side.close(CLOSE_GRACE_SECS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE_SECS):
                # An aborted socket is gone after a turn or two of the event loop.
                while self._doors or self._lingering:  # noqa: ASYNC110 - no event for so short a wait
                    await asyncio.sleep(0)
        # uvloop closes a listening socket in the next turn; then the port is free.
        await asyncio.sleep(0)

    # For the front doors.

    def door_opened(self, door: FrontDoor) -> None:
        self._doors.add(door)
        self._crowd[door.ip] += 1

    def door_refused(self, door: FrontDoor) -> bool:
        """Know that a caller is refused, and takes part in the crowd no more.

        Returns:
            Whether they may take a moment to read the answer. Few may, and fewer of one address.
        """
        self.door_closed(door)
        num_alike = sum(each.ip == door.ip for each in self._lingering)
        is_one_too_many = num_alike >= MAX_LINGERING_PER_IP and self.is_one_caller(door.ip)
        if len(self._lingering) >= MAX_LINGERING or is_one_too_many:
            return False
        self._lingering.add(door)
        return True

    def door_closed(self, door: FrontDoor) -> None:
        self._lingering.discard(door)
        if door in self._doors:
            self._doors.discard(door)
            _take_off(self._crowd, door.ip)

    def is_crowded_by(self, ip: str) -> bool:
        """Return whether one address has more pending handshakes than it may."""
        limit = self.settings.max_pending_handshakes_per_ip
        return limit is not None and self._crowd[ip] > limit and self.is_one_caller(ip)

    def is_one_caller(self, ip: str) -> bool:
        """Return whether an address is not one of those behind which many callers may be."""
        return not is_loopback(ip) and not is_within(ip, self.settings.trusted_proxies)

    def spawn(self, admission: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run an asynchronous admission; `close` cancels what is still running."""
        task = asyncio.get_running_loop().create_task(admission)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def welcome(self, connection: Connection) -> None:
        """Give an accepted connection to the owner."""
        self.connections.add(connection)
        try:
            self._on_connection(connection)
        except Exception:
            logger.exception("connection %s: on_connection failed", connection.id)
            connection.close(1011, "internal error")

    def _readmit(self, transport: asyncio.Transport, data: bytes) -> None:
        """Take a socket back on which a WebSocket handshake followed HTTP requests."""
        door = FrontDoor(self)
        transport.set_protocol(door)
        door.connection_made(transport)
        door.data_received(data)


class Listening:
    """What those who have a `Listener` tell of it; they set `_listener`."""

    _listener: Listener

    @property
    def host(self) -> str:
        """The address that was asked for."""
        return self._listener.host

    @property
    def port(self) -> int:
        """The port: the one asked for, or, where that was 0, the one picked."""
        return self._listener.port

    @property
    def url(self) -> str:
        """Where a client on this machine connects, such as `ws://localhost:8765`."""
        return self._listener.url


def _take_off(counts: Counter[str], ip: str) -> None:
    counts[ip] -= 1
    if not counts[ip]:
        del counts[ip]
