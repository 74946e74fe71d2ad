"""A WebSocket server for one caller at a time."""

import asyncio
import copy
import logging

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError
from voicewire.frames import ClientConnectedFrame
from voicewire.pipeline import ProcessorSetup
from voicewire.pipeline.owner import TaskOwner, wait_at_most
from voicewire.transports.base import BaseTransport
from voicewire.transports.caller import CallerSession
from voicewire.transports.client import ClientConnection
from voicewire.transports.connection import Connection
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.http import make_http_app
from voicewire.transports.inbound import Inbound
from voicewire.transports.listener import Listener
from voicewire.transports.outbound import Outbound
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.settings import ConnectionSettings, ListenerSettings

logger = logging.getLogger(__name__)

CLOSE_REPLACED = 4001
"""Close code for a client whose place a newer one has taken (4000-4999 are for applications)."""

MAX_PORT = 65_535

RETRY_AFTER_SECS = 5
"""What a refused client is told to wait."""

REPLACED_SECS = 1.0
"""How long a client that goes may keep the next one waiting: it may be gone for long."""

GOODBYE_SECS = 2.0
"""How long the last client may take over its closing handshake."""

HANDLERS_SECS = 5.0
"""How long a caller's handlers may be at work when the caller has left, before they are cancelled:
the next caller waits for them."""

FORGET_SECS = 5.0
"""How long the pipeline may take to drop what was a caller's, before the next one is let in."""


class WebsocketServerTransport(BaseTransport):
    """Listens for a caller and brings its audio to a pipeline, and the pipeline's to the caller.

    | Event | Arguments | When |
    |---|---|---|
    | `on_websocket_ready` | transport | callers are let in from now on |
    | `on_client_connected` | transport, client | a caller has come |
    | `on_client_disconnected` | transport, client | it has left; before the next one is announced |
    | `on_session_timeout` | transport, client | it has sent nothing for `session_timeout` seconds |

    Args:
        host: Address to listen on. `"localhost"` is this machine alone, `"0.0.0.0"` all networks.
        port: Port to listen on; 0 picks a free one, which `port` tells once the pipeline runs.
        params: Everything else.
        input_name: Name of the input processor, for logs.
        output_name: Name of the output processor, for logs.
        clock: The time.
    """

    def __init__(
        self,
        *,
        host: str = "localhost",
        port: int = 8765,
        params: WebsocketServerParams | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        params = params if params is not None else WebsocketServerParams()
        _check_arguments(port, params)
        super().__init__(
            "on_client_connected",
            "on_client_disconnected",
            "on_session_timeout",
            "on_websocket_ready",
            params=params,
            input_name=input_name,
            output_name=output_name,
        )
        self._params = params
        self._clock = clock or MonotonicClock()
        self._listener = Listener(
            host=host,
            port=port,
            on_connection=self._on_connection,
            admit=self._admit,
            http_app=make_http_app,
            clock=self._clock,
            settings=ListenerSettings(
                allowed_origins=params.allowed_origins,
                connection=ConnectionSettings(
                    max_message_bytes=params.max_message_bytes,
                    ping_interval_secs=params.ping_interval_secs,
                    ping_timeout_secs=params.ping_timeout_secs,
                ),
            ),
        )
        self._setup: ProcessorSetup | None = None
        self._session: CallerSession | None = None
        self._newest: Connection | None = None
        self._turn = asyncio.Lock()
        self._visits: set[asyncio.Task[None]] = set()
        self._forgotten = asyncio.Event()
        self._has_begun = False
        self._is_shut = False

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

    @property
    def client(self) -> ClientConnection | None:
        """The caller, None while there is none."""
        return self._session.client if self._session else None

    @property
    def outbound(self) -> Outbound | None:
        return self._session.outbound if self._session else None

    async def open(self, setup: ProcessorSetup) -> None:
        if self._is_shut:
            raise RuntimeError("this transport has been in a pipeline that is over; make a new one")
        if self._setup is None:
            self._setup = setup
            self._listener.bind()

    def begin(self) -> None:
        if not self._has_begun and self._setup is not None:
            self._has_begun = True
            self._setup.tasks.create(self._let_in(), name="websocket server")

    def end(self, code: int, reason: str) -> None:
        if self._newest is not None:
            self._newest.close(code, reason)

    def forgotten(self) -> None:
        self._forgotten.set()

    async def shut(self) -> None:
        if self._is_shut:
            return
        self._is_shut = True
        self._forgotten.set()
        self.end(1001, "the server ends the conversation")
        await self._listener.close()
        if self._visits:
            await asyncio.wait(self._visits, timeout=GOODBYE_SECS)
        if self._visits:
            for connection in tuple(self._listener.connections):
                connection.abort()
            await asyncio.wait(self._visits, timeout=HANDLERS_SECS)

    async def _let_in(self) -> None:
        await self._listener.start()
        await self.emit("on_websocket_ready", self)

    def _admit(self, request: HandshakeRequest) -> Rejection | None:
        if self._is_taken and self._params.on_second_client == "reject":
            return Rejection(
                503, "another client is connected", {"Retry-After": str(RETRY_AFTER_SECS)}
            )
        return None

    @property
    def _is_taken(self) -> bool:
        return self._newest is not None and self._newest.is_open

    def _on_connection(self, connection: Connection) -> None:
        if self._setup is None or self._is_shut:
            connection.close(1001, "the server is going away")
            return
        visit = self._setup.tasks.create(self._serve(connection), name=f"client {connection.id}")
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _serve(self, connection: Connection) -> None:
        """See one client through, after the one before it has been seen off."""
        if self._is_taken and self._params.on_second_client == "reject":
            connection.close(1013, "another client is connected")  # Two came at the same instant.
            return
        if self._newest in self._listener.connections:
            self._newest.close(CLOSE_REPLACED, "a newer client has taken your place")
            self._clock.call_later(REPLACED_SECS, self._newest.abort)
        self._newest = connection
        async with self._turn:
            if not connection.is_open:
                return
            try:
                await self._visit(connection)
            except Exception:  # One caller's session must not end the server.
                logger.exception("client %s: its session failed", connection.id)
                connection.close(1011, "internal error")

    async def _visit(self, connection: Connection) -> None:
        client = ClientConnection(connection)
        session = self._session = self._make_session(connection, client)
        self.stats.clients += 1
        try:
            self.input().push(ClientConnectedFrame())
            connection.start(session)
            await self._tell("on_client_connected", session)
            await session.wait_closed()
        finally:
            self._session = None
            connection.abort()
            self._forgotten.clear()
            self.input().caller_left()
        await self._tell("on_client_disconnected", session)
        await self._wait_forgotten()

    async def _tell(self, event_name: str, session: CallerSession) -> None:
        """Call the handlers of an event; one that hangs does not keep the next caller waiting."""
        assert self._setup is not None  # noqa: S101 - a client can only come after `open`
        client = session.client
        tasks = self._setup.tasks
        handlers = tasks.create(self.emit(event_name, self, client), name=f"{event_name} handlers")
        closed = tasks.create(session.wait_closed(), name=f"client {client.id} closed")
        await asyncio.wait((handlers, closed), return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
        if not await wait_at_most(HANDLERS_SECS, (handlers,), clock=self._clock):
            logger.warning(
                "client %s: a handler of %s was cancelled, %g s after the client had left",
                client.id,
                event_name,
                HANDLERS_SECS,
            )

    async def _wait_forgotten(self) -> None:
        """Wait until no processor has anything of the last caller in its hands or its mailbox."""
        if self._is_shut or not self.has_output:
            return
        try:
            async with asyncio.timeout(FORGET_SECS):
                await self._forgotten.wait()
        except TimeoutError:
            logger.warning(
                "the ClientDisconnectedFrame has not come through the pipeline in %g s; "
                "what is still in it may reach the next caller",
                FORGET_SECS,
            )

    def _make_session(self, connection: Connection, client: ClientConnection) -> CallerSession:
        assert self._setup is not None  # noqa: S101 - a client can only come after `open`
        params = self._params
        tasks = self._setup.tasks
        # Its own copy: what a serializer remembers of its peer is not for the next one.
        serializer = copy.deepcopy(params.serializer)
        return CallerSession(
            client=client,
            inbound=Inbound(
                params=params,
                serializer=serializer,
                clock=self._clock,
                stats=self.stats,
                push=self.input().push,
                on_vad_event=self.input().on_vad_event,
            ),
            outbound=Outbound(
                params=params,
                serializer=serializer,
                sample_rate=params.audio_out_sample_rate or self._setup.start.audio_out_sample_rate,
                wire=connection,
                clock=self._clock,
                stats=self.stats,
                events=self.output(),
            ),
            clock=self._clock,
            session_timeout_secs=params.session_timeout,
            on_timeout=lambda: self._announce_timeout(tasks, client),
        )

    def _announce_timeout(self, tasks: TaskOwner, client: ClientConnection) -> None:
        tasks.create(self.emit("on_session_timeout", self, client), name="session timeout")


def _check_arguments(port: object, params: object) -> None:
    """Raise ConfigurationError for what would fail later, when a pipeline or a caller comes."""
    if not isinstance(params, WebsocketServerParams):
        raise ConfigurationError(
            f"params is {type(params).__name__}; expected WebsocketServerParams(...)"
        )
    if not isinstance(port, int) or not 0 <= port <= MAX_PORT:
        raise ConfigurationError(f"port is {port!r}; expected a number of 0..{MAX_PORT}")
    try:
        copy.deepcopy(params.serializer)
    except Exception as exc:
        raise ConfigurationError(
            f"{type(params.serializer).__name__} cannot be copied, and each client needs its own: "
            f"{exc}"
        ) from exc
