"""A WebSocket server for one caller at a time."""

import asyncio
import logging
from typing import TYPE_CHECKING

from voicewire.clock import Clock
from voicewire.transports.client import ClientConnection
from voicewire.transports.connection import Connection
from voicewire.transports.gate import Gate
from voicewire.transports.handshake import HandshakeRequest, Rejection, try_later
from voicewire.transports.http import make_http_app
from voicewire.transports.listener import Listener, Listening
from voicewire.transports.outbound import CLOSE_TRY_AGAIN_LATER
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.websocket import (
    WebsocketTransport,
    check_arguments,
    listener_settings,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

CLOSE_REPLACED = 4001
"""Close code for a client whose place a newer one has taken (4000-4999 are for applications)."""

REPLACED_SECS = 1.0
"""How long a client that goes may keep the next one waiting: it may be gone for long."""

FORGET_SECS = 5.0
"""How long the pipeline may take to drop what was a caller's, before the next one is let in."""


class WebsocketServerTransport(Listening, WebsocketTransport):
    """Listens for a caller and brings its audio to a pipeline, and the pipeline's to the caller.

    One pipeline serves the callers, one after the other; for many at a time, each with a bot of
    their own, see `VoiceServer`. Its events are those of `WebsocketTransport`.

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
        check_arguments(port, params)
        self._server_params = params
        super().__init__(params=params, input_name=input_name, output_name=output_name, clock=clock)
        self._listener = Listener(
            host=host,
            port=port,
            on_connection=self._on_connection,
            admit=Gate(params, self._why_full, clock=self._clock).admit,
            http_app=self._make_http_app,
            clock=self._clock,
            settings=listener_settings(params),
        )
        self._newest: Connection | None = None
        self._turn = asyncio.Lock()
        self._forgotten = asyncio.Event()

    def end(self, code: int, reason: str) -> None:
        if self._newest is not None:
            self._say_goodbye(self._newest, code, reason)

    def forgotten(self) -> None:
        self._forgotten.set()

    def _get_ready(self) -> None:
        self._listener.bind()

    async def _let_in(self) -> None:
        await self._listener.start()
        await self.emit("on_websocket_ready", self)

    async def _stop_accepting(self) -> None:
        self._forgotten.set()
        await self._listener.close()

    def _abort_callers(self) -> None:
        for connection in tuple(self._listener.connections):
            connection.abort()

    def _why_full(self, request: HandshakeRequest) -> Rejection | None:
        why = self._why_busy()
        if why is None:
            return None
        return try_later(why)

    def _make_http_app(self) -> "ASGIApp":
        return make_http_app(
            self._server_params,
            why_busy=self._why_busy,
            is_on_loopback=lambda: self._listener.is_on_loopback,
            clock=self._clock,
        )

    def _why_busy(self) -> str | None:
        is_busy = self._is_taken and self._server_params.on_second_client == "reject"
        return "another client is connected" if is_busy else None

    @property
    def _is_taken(self) -> bool:
        return self._newest is not None and self._newest.is_open

    def _on_connection(self, connection: Connection) -> None:
        if self._setup is None or self._is_shut:
            connection.close(1001, "the server is going away")
        else:
            self._start_visit(self._serve(connection), connection)

    async def _serve(self, connection: Connection) -> None:
        """See one client through, after the one before it has been seen off."""
        why = self._why_busy()
        if why is not None:  # Two came at the same instant.
            connection.close(CLOSE_TRY_AGAIN_LATER, why)
            return
        if self._newest in self._listener.connections:
            self._newest.close(CLOSE_REPLACED, "a newer client has taken your place")
            self._clock.call_later(REPLACED_SECS, self._newest.abort)
        self._newest = connection
        async with self._turn:
            if not connection.is_open:
                return
            self._forgotten.clear()
            try:
                introduction = self._introduce(connection)
                if await introduction.hear_out():
                    await self._visit(connection, ClientConnection(connection), introduction)
                    await self._wait_forgotten()
            except Exception:  # One caller's session must not end the server.
                logger.exception("client %s: its session failed", connection.id)
                connection.close(1011, "internal error")

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
