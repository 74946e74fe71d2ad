"""Many callers within somebody's own ASGI application."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from voicewire.clock import Clock, MonotonicClock
from voicewire.sessions.ends import SessionCounts
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import LocalPlaces
from voicewire.sessions.registry import SessionRegistry
from voicewire.sessions.server import check_server_arguments, default_params
from voicewire.sessions.session import GOING_AWAY, Bot, Session
from voicewire.transports import TransportStats
from voicewire.transports.asgi import ASGIConnection, Receive, Send, answer, refuse
from voicewire.transports.gate import Admission, Gate
from voicewire.transports.handshake import Rejection
from voicewire.transports.origins import origin_refusal
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.websocket import connection_settings


class VoiceApp:
    """Calls a bot for each WebSocket, in a session of its own: an ASGI application.

    ::

        app = FastAPI()
        app.mount("/voice", VoiceApp(bot))

    What a client speaks is told by the path behind the mount: `/voice/ws`, `/voice/twilio`. TLS,
    pings and the handshake are the ASGI server's. A client that loses its connection comes back to
    its session, in the same process, or to what a `session_store` has kept of it.

    Args:
        bot: `async def bot(transport)`, called once for each caller.
        params: What each caller's transport does; None is audio both ways with Silero's voice
            activity detection.
        limits: How many callers, and for how long; None is `Limits()`.
        clock: The time.

    Raises:
        ConfigurationError: An argument is not what it should be.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        params: WebsocketServerParams | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._params = params if params is not None else default_params()
        self.limits = limits if limits is not None else Limits()
        check_server_arguments(bot, 0, self._params, self.limits)
        self._clock = clock or MonotonicClock()
        self._registry = SessionRegistry(
            bot,
            params=self._params,
            limits=self.limits,
            places=LocalPlaces(self.limits),
            clock=self._clock,
        )
        self._gate = Gate(self._params, self._registry.why_full, clock=self._clock)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are not over."""
        return self._registry.sessions

    @property
    def stats(self) -> TransportStats:
        """What has been counted in all sessions, those that are over and those that are not."""
        return self._registry.stats

    @property
    def session_counts(self) -> SessionCounts:
        """How many sessions there have been, and why those have ended that are over."""
        return self._registry.counts

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve a caller, or say that there is nothing but WebSocket."""
        if scope["type"] == "websocket":
            await self._serve(_below_mount(scope), receive, send)
        elif scope["type"] == "http":
            await answer(send, "http.response", Rejection(404, "connect with WebSocket"))

    async def _serve(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        connection = ASGIConnection(
            scope, receive, send, settings=connection_settings(self._params), clock=self._clock
        )
        admission = await self._admit(connection)
        if isinstance(admission, Rejection):
            await refuse(scope, send, admission)
            return
        connection.identity = admission
        connection.subprotocol = self._known_subprotocol(scope)
        await send({"type": "websocket.accept", "subprotocol": connection.subprotocol})
        self._registry.take(connection)
        try:
            await connection.wait_closed()
        except asyncio.CancelledError:  # The ASGI server ends.
            connection.close(*GOING_AWAY)
            connection.abort()
            raise

    async def _admit(self, connection: ASGIConnection) -> Admission:
        refusal = origin_refusal(
            connection.headers.get("origin"),
            connection.headers.get("host"),
            self._params.allowed_origins,
            is_on_loopback=False,
        )
        if refusal is not None:
            return Rejection(403, refusal)
        admission = self._gate.admit(connection.request)
        return await admission if isinstance(admission, Awaitable) else admission

    def _known_subprotocol(self, scope: Mapping[str, Any]) -> str | None:
        known = {each.subprotocol for each in self._params.dialects.values()}
        return next((each for each in scope.get("subprotocols", ()) if each in known), None)


def _below_mount(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scope with the path behind the one where this application is mounted."""
    path, root = scope["path"], scope.get("root_path", "")
    if root and path.startswith(root):  # As the specification has it since version 3.
        path = path[len(root) :] or "/"
    return {**scope, "path": path}
