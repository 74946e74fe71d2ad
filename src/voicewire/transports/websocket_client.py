"""A pipeline that calls a WebSocket server itself."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from voicewire.clock import Clock
from voicewire.errors import ConfigurationError, ConnectError
from voicewire.frames import EndFrame
from voicewire.pipeline import FrameDirection
from voicewire.pipeline.owner import is_being_cancelled
from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.client import ClientConnection
from voicewire.transports.connection import Connection
from voicewire.transports.outgoing import connect, without_secrets
from voicewire.transports.params import WebsocketClientParams
from voicewire.transports.returning import ReturningConnection
from voicewire.transports.websocket import (
    WebsocketTransport,
    check_serializer,
    connection_settings,
)

FindServer = Callable[[], Awaitable[str]]
"""Says where the server is; asked before each call."""


class WebsocketClientTransport(WebsocketTransport):
    """Calls a server: for bots that talk with bots, for tests, and for devices.

    ::

        transport = WebsocketClientTransport(
            "ws://localhost:8765",
            WebsocketClientParams(audio_in_enabled=True, audio_out_enabled=True),
        )
        pipeline = Pipeline([transport.input(), stt, llm, tts, transport.output()])

    What the server sends comes out of `input()`, what goes into `output()` is sent to it, paced as
    a microphone would. It calls when the pipeline has started. When the server hangs up, the
    pipeline ends; when it cannot be called, it ends by a fatal `ErrorFrame`.

    With `resume_window_secs`, a connection that is lost is not the end: the server is called again
    until it goes on with the session, and what both sides have said meanwhile is neither lost nor
    said twice. That takes RTVI and a voicewire server: what the server tells comes out of `input()`
    as `InputTransportMessageFrame`, transcripts and all.

    | Event | Arguments | When |
    |---|---|---|
    | `on_connected` | transport, connection | the server has answered |
    | `on_lost` | transport, connection | the connection is lost for now |
    | `on_renewed` | transport, connection | another process goes on with the conversation |
    | `on_resumed` | transport, connection | it is there again |
    | `on_disconnected` | transport, connection | either side has hung up |
    | `on_session_timeout` | transport, connection | it has sent nothing for `session_timeout` |

    Args:
        uri: The server, such as `ws://localhost:8765/ws`, or an `async def` function that returns
            it and is asked before each call: for tokens that let in once.
        params: Everything else.
        input_name: Name of the input processor, for logs.
        output_name: Name of the output processor, for logs.
        clock: The time.
    """

    arrival_event: ClassVar = "on_connected"
    departure_event: ClassVar = "on_disconnected"
    further_events: ClassVar = ("on_lost", "on_renewed", "on_resumed")

    def __init__(
        self,
        uri: str | FindServer,
        params: WebsocketClientParams | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._client_params = params if params is not None else WebsocketClientParams()
        check_serializer(self._client_params.serializer)
        super().__init__(
            params=self._client_params, input_name=input_name, output_name=output_name, clock=clock
        )
        self.uri = uri
        self._connection: CallerConnection | None = None
        self._telling = asyncio.Lock()

    def end(self, code: int, reason: str) -> None:
        if self._connection is not None:
            self._say_goodbye(self._connection, code, reason)

    def forgotten(self) -> None:
        """Nobody is called after this server."""

    def _get_ready(self) -> None:
        """The call is made when the pipeline has started."""

    async def _let_in(self) -> None:
        try:
            connection = await self._call({})
        except ConnectError as exc:
            self.input().report_error(str(exc), fatal=True)
            return
        if self._is_shut:
            connection.abort()
            return
        self._connection = lasting = self._let_last(connection)
        self._start_visit(self._see_through(lasting), lasting)

    async def _call(self, query: Mapping[str, str]) -> Connection:
        """Call the server.

        Raises:
            ConfigurationError: `uri` is no address.
            ConnectError: There is no server, it refuses, or it cannot be found out where it is.
        """
        params = self._client_params
        uri = self.uri if isinstance(self.uri, str) else await self._find_server(self.uri)
        try:
            return await connect(
                uri,
                query=query,
                headers=params.headers,
                timeout_secs=params.open_timeout_secs,
                settings=connection_settings(params),
                clock=self._clock,
            )
        except ConnectError as exc:
            raise ConnectError(f"{without_secrets(uri)}: {exc}", status=exc.status) from exc
        except ConfigurationError as exc:
            if uri is self.uri:
                raise
            raise ConnectError(str(exc)) from exc

    async def _find_server(self, find: FindServer) -> str:
        what_failed = "where the server is cannot be found out"
        try:
            async with asyncio.timeout(self._client_params.open_timeout_secs):
                uri: object = await find()
        except TimeoutError as exc:
            raise ConnectError(f"{what_failed} in time") from exc
        except asyncio.CancelledError as exc:
            if is_being_cancelled():
                raise
            raise ConnectError(f"{what_failed}: it awaited something that was cancelled") from exc
        except Exception as exc:
            raise ConnectError(f"{what_failed}: {type(exc).__name__}") from exc
        if not isinstance(uri, str):
            raise ConnectError(f"{what_failed}: expected a str, got {type(uri).__name__}")
        return uri

    def _let_last(self, connection: Connection) -> CallerConnection:
        """Return what the session gets, which outlives the connection if it may."""
        params = self._client_params
        if not params.resume_window_secs:
            return connection
        assert self._setup is not None  # noqa: S101 - the pipeline has started
        tasks = self._setup.tasks

        def tell(event: str) -> None:
            tasks.create(self._tell_in_turn(event), name=event)

        return ReturningConnection(
            connection,
            self._call,
            copy.deepcopy(params.serializer),
            tasks=tasks,
            tell=tell,
            clock=self._clock,
            window_secs=params.resume_window_secs,
        )

    async def _tell_in_turn(self, event: str) -> None:
        """Call the handlers of an event when those of the one before have returned."""
        async with self._telling:
            await self.emit(event, self, self.client)

    def let_go(self) -> None:
        super().let_go()
        self._connection = self._introduction = None

    async def _stop_accepting(self) -> None:
        """Nobody else is called."""

    def _abort_callers(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    async def _see_through(self, connection: CallerConnection) -> None:
        introduction = self._introduce(connection)
        if await introduction.hear_out():
            await self._visit(connection, ClientConnection(connection), introduction)
        self.input().push(EndFrame(), FrameDirection.UPSTREAM)
