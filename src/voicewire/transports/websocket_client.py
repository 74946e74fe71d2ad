"""A pipeline that calls a WebSocket server itself."""

from typing import ClassVar

from voicewire.clock import Clock
from voicewire.errors import ConnectError
from voicewire.frames import EndFrame
from voicewire.pipeline import FrameDirection
from voicewire.transports.client import ClientConnection
from voicewire.transports.connection import Connection
from voicewire.transports.outgoing import connect
from voicewire.transports.params import WebsocketClientParams
from voicewire.transports.websocket import (
    WebsocketTransport,
    check_serializer,
    connection_settings,
)


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

    | Event | Arguments | When |
    |---|---|---|
    | `on_connected` | transport, connection | the server has answered |
    | `on_disconnected` | transport, connection | either side has hung up |
    | `on_session_timeout` | transport, connection | it has sent nothing for `session_timeout` |

    Args:
        uri: The server, such as `ws://localhost:8765/ws`.
        params: Everything else.
        input_name: Name of the input processor, for logs.
        output_name: Name of the output processor, for logs.
        clock: The time.
    """

    arrival_event: ClassVar = "on_connected"
    departure_event: ClassVar = "on_disconnected"

    def __init__(
        self,
        uri: str,
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
        self._connection: Connection | None = None

    def end(self, code: int, reason: str) -> None:
        if self._connection is not None:
            self._say_goodbye(self._connection, code, reason)

    def forgotten(self) -> None:
        """Nobody is called after this server."""

    def _get_ready(self) -> None:
        """The call is made when the pipeline has started."""

    async def _let_in(self) -> None:
        params = self._client_params
        try:
            connection = await connect(
                self.uri,
                headers=params.headers,
                timeout_secs=params.open_timeout_secs,
                settings=connection_settings(params),
                clock=self._clock,
            )
        except ConnectError as exc:
            self.input().report_error(f"{self.uri}: {exc}", fatal=True)
            return
        if self._is_shut:
            connection.abort()
            return
        self._connection = connection
        self._start_visit(self._see_through(connection), connection)

    async def _stop_accepting(self) -> None:
        """Nobody else is called."""

    def _abort_callers(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    async def _see_through(self, connection: Connection) -> None:
        introduction = self._introduce(connection)
        if await introduction.hear_out():
            await self._visit(connection, ClientConnection(connection), introduction)
        self.input().push(EndFrame(), FrameDirection.UPSTREAM)
