"""Many callers within somebody's own ASGI application."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from voicewire.clock import Clock, MonotonicClock
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import LocalPlaces
from voicewire.sessions.server import check_server_arguments, default_params, refusal_of
from voicewire.sessions.session import Bot, Session
from voicewire.transports.asgi import ASGIConnection, Receive, Send, answer, refuse
from voicewire.transports.gate import Admission, Gate
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.origins import origin_refusal
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.websocket import connection_settings


class VoiceApp:
    """Calls a bot for each WebSocket, in a session of its own: an ASGI application.

    ::

        app = FastAPI()
        app.mount("/voice", VoiceApp(bot))

    What a client speaks is told by the path behind the mount: `/voice/ws`, `/voice/twilio`. TLS,
    pings and the handshake are the ASGI server's.

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
        self._bot = bot
        self._clock = clock or MonotonicClock()
        self._places = LocalPlaces(self.limits)
        self._gate = Gate(self._params, self._why_full, clock=self._clock)
        self._sessions: set[Session] = set()

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are not over."""
        return tuple(self._sessions)

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
        ip = connection.remote_address[0]
        admission = await self._admit(connection)
        place = None if isinstance(admission, Rejection) else self._places.take(ip)
        if isinstance(admission, Rejection) or place is None:
            full = Rejection(503, "all places are taken")
            await refuse(scope, send, admission if isinstance(admission, Rejection) else full)
            return
        connection.identity = admission
        subprotocol = self._known_subprotocol(scope)
        connection.subprotocol = subprotocol
        try:
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            await self._run(connection)
        finally:
            self._places.give_back(place, ip)

    async def _run(self, connection: ASGIConnection) -> None:
        session = Session(
            connection,
            self._bot,
            params=self._params,
            max_secs=self.limits.max_session_secs,
            clock=self._clock,
        )
        self._sessions.add(session)
        try:
            await session.run()
        except asyncio.CancelledError:
            session.cancel()
            raise
        finally:
            self._sessions.discard(session)

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

    def _why_full(self, request: HandshakeRequest) -> Rejection | None:
        return refusal_of(self._places, request.remote_address[0])

    def _known_subprotocol(self, scope: Mapping[str, Any]) -> str | None:
        known = {each.subprotocol for each in self._params.dialects.values()}
        return next((each for each in scope.get("subprotocols", ()) if each in known), None)


def _below_mount(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scope with the path behind the one where this application is mounted."""
    path, root = scope["path"], scope.get("root_path", "")
    if root and path.startswith(root):  # As the specification has it since version 3.
        path = path[len(root) :] or "/"
    return {**scope, "path": path}
