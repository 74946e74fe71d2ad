"""A pipeline that calls a WebSocket server itself."""

import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from voicewire.clock import Clock
from voicewire.errors import ConnectError
from voicewire.frames import EndFrame
from voicewire.pipeline import FrameDirection
from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.client import ClientConnection
from voicewire.transports.connection import Connection
from voicewire.transports.outgoing import connect
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
            ConfigurationError: The address is none.
            ConnectError: There is no server, or it refuses.
        """
        params = self._client_params
        uri = await self._find_server()
        try:
            return await connect(
                _with_query(uri, query),
                headers=params.headers,
                timeout_secs=params.open_timeout_secs,
                settings=connection_settings(params),
                clock=self._clock,
            )
        except ConnectError as exc:
            raise ConnectError(f"{_without_secrets(uri)}: {exc}", status=exc.status) from exc

    async def _find_server(self) -> str:
        if isinstance(self.uri, str):
            return self.uri
        try:
            return await self.uri()
        except Exception as exc:
            raise ConnectError(f"where the server is cannot be found out: {exc}") from exc

    def _let_last(self, connection: Connection) -> CallerConnection:
        """Return what the session gets, which outlives the connection if it may."""
        params = self._client_params
        if not params.resume_window_secs:
            return connection
        assert self._setup is not None  # noqa: S101 - the pipeline has started
        tasks = self._setup.tasks

        def tell(event: str) -> None:
            tasks.create(self.emit(event, self, self.client), name=event)

        return ReturningConnection(
            connection,
            self._call,
            copy.deepcopy(params.serializer),
            tasks=tasks,
            tell=tell,
            clock=self._clock,
            window_secs=params.resume_window_secs,
        )

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


def _with_query(uri: str, fields: Mapping[str, str]) -> str:
    parts = urlsplit(uri)
    return urlunsplit(
        parts._replace(query="&".join(filter(None, (parts.query, urlencode(fields)))))
    )


def _without_secrets(uri: str) -> str:
    """Return an address for messages: the query and a user's name may hold tokens."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
