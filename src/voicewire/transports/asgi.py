"""A caller whose WebSocket an ASGI server has accepted: FastAPI, Starlette and their like.

The specification: https://asgi.readthedocs.io/en/latest/specs/www.html#websocket.
"""

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError, SessionClosed
from voicewire.pipeline.owner import let_go_of_stack
from voicewire.transports.gate import Admission, identify
from voicewire.transports.handshake import HandshakeRequest, Headers, Rejection
from voicewire.transports.identity import Identity
from voicewire.transports.origins import origin_refusal
from voicewire.transports.outbound import CLOSE_TRY_AGAIN_LATER
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.receiver import MessageReceiver
from voicewire.transports.session import SessionTransport
from voicewire.transports.settings import ConnectionSettings
from voicewire.transports.websocket import check_serializer

logger = logging.getLogger(__name__)

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

NO_STATUS = 1005
ABNORMAL_CLOSURE = 1006
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TOO_BIG = 1009


class ASGIConnection:
    """One WebSocket that an ASGI server has accepted; a `CallerConnection`.

    ASGI's `send` waits for a slow client, and our outbound does not: messages wait in a queue,
    whose bounds are those of our own listener. Pings are the server's: see `--ws-ping-interval`
    of uvicorn.

    Args:
        scope: Of the WebSocket.
        receive: Returns the next event.
        send: Sends an event.
        settings: Limits; timeouts are the server's own.
        clock: The time.
    """

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        settings: ConnectionSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.request = to_handshake_request(scope)
        self.path = self.request.path
        self.headers: Mapping[str, str] = self.request.headers
        self.query = self.request.query
        self.identity: Identity | None = None
        subprotocols = scope.get("subprotocols") or [None]
        self.subprotocol: str | None = subprotocols[0]
        self.remote_address = self.request.remote_address
        self.is_writing_paused = False
        self.num_messages_received = 0
        self.num_messages_sent = 0
        self._receive = receive
        self._send_event = send
        self._settings = settings or ConnectionSettings()
        self._clock = clock or MonotonicClock()
        self._rests_until = 0.0
        self._receiver: MessageReceiver | None = None
        self._queue: deque[Event] = deque()
        self._queued_bytes = 0
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()
        self._end: tuple[int, str] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        # The query and the headers may hold tokens.
        return f"<ASGIConnection {self.id} {self.path!r} {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        return self._end is None

    @property
    def end_words(self) -> tuple[int, str]:
        return self._end or (ABNORMAL_CLOSURE, "connection lost")

    def start(self, receiver: MessageReceiver) -> None:
        if self._receiver is not None:
            raise RuntimeError("the connection has been started already")
        self._receiver = receiver
        self._run(self._read())
        self._begin_writing()

    def send(self, message: bytes | str) -> None:
        if self._end is not None:
            raise SessionClosed(*self._end)
        self.num_messages_sent += 1
        kind = "text" if isinstance(message, str) else "bytes"
        self._queue.append({"type": "websocket.send", kind: message})
        self._queued_bytes += len(message)
        self._news.set()
        self._begin_writing()
        if self._queued_bytes > self._settings.write_high_water_bytes:
            self._pause_writing()

    def rest(self, secs: float) -> None:
        self._rests_until = max(self._rests_until, self._clock.now() + secs)

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._end is not None:
            return
        self._end = (code, reason)
        self._queue.append({"type": "websocket.close", "code": code, "reason": reason})
        self._news.set()
        self._writable.set()
        self._begin_writing()
        self._clock.call_later(self._settings.close_timeout_secs, self.abort)

    def abort(self) -> None:
        if self._end is None:
            self._end = (ABNORMAL_CLOSURE, "aborted")
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._is_gone()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    async def wait_writable(self) -> None:
        await self._writable.wait()

    # Reading.

    async def _read(self) -> None:
        try:
            while not self._closed.is_set():
                resting_secs = self._rests_until - self._clock.now()
                if resting_secs > 0 and self.is_open:
                    await asyncio.sleep(resting_secs)
                    continue
                event = await self._receive()
                if event["type"] == "websocket.disconnect":
                    self._end = self._end or _last_words(event)
                    break
                self._deliver(event)
        except Exception as exc:  # noqa: BLE001 - a server's own; the caller is gone
            logger.debug("connection %s: reading failed: %s", self.id, type(exc).__name__)
        self._end = self._end or (ABNORMAL_CLOSURE, "connection lost")
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._is_gone()

    def _deliver(self, event: Event) -> None:
        message = event.get("bytes")
        if message is None:
            message = event.get("text")
        if message is None or not self.is_open or self._receiver is None:
            return
        if len(message) > self._settings.max_message_bytes:
            self.close(TOO_BIG, "the message is too long")
            return
        self.num_messages_received += 1
        try:
            self._receiver.message_received(message)
        except Exception as exc:
            if isinstance(exc, SessionClosed) and self._end is not None:
                return  # It wanted to answer somebody who has just left.
            logger.exception("connection %s: its receiver failed", self.id)
            self.close(INTERNAL_ERROR, "internal error")

    # Writing.

    def _begin_writing(self) -> None:
        if not self._closed.is_set() and len(self._tasks) < (2 if self._receiver else 1):
            self._run(self._write())

    async def _write(self) -> None:
        try:
            while True:
                while self._queue:
                    event = self._queue[0]
                    await self._send_event(event)
                    self._queue.popleft()
                    self._queued_bytes -= len(event.get("bytes") or event.get("text") or "")
                    if event["type"] == "websocket.close":
                        self._is_gone()
                        return
                    if self._queued_bytes <= self._settings.write_low_water_bytes:
                        self._resume_writing()
                self._news.clear()
                await self._news.wait()
        except Exception as exc:  # noqa: BLE001 - as above
            logger.debug("connection %s: writing failed: %s", self.id, type(exc).__name__)
            self._end = self._end or (ABNORMAL_CLOSURE, "connection lost")
            self._is_gone()

    def _pause_writing(self) -> None:
        if not self.is_writing_paused:
            self.is_writing_paused = True
            self._writable.clear()
            if self._receiver is not None:
                self._receiver.writing_paused()

    def _resume_writing(self) -> None:
        if self.is_writing_paused:
            self.is_writing_paused = False
            self._writable.set()
            if self._receiver is not None:
                self._receiver.writing_resumed()

    def _is_gone(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._writable.set()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            assert self._end is not None  # noqa: S101 - whoever calls has set it
            receiver.connection_closed(*self._end)

    def _run(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        task.add_done_callback(let_go_of_stack)
        self._tasks.append(task)


def _last_words(event: Event) -> tuple[int, str]:
    """Return the code and reason of a disconnection."""
    code = event.get("code") or ABNORMAL_CLOSURE
    # A goodbye without a code, and with uvicorn a loss too; or a ping of the server's own that was
    # not answered.
    if code in (NO_STATUS, INTERNAL_ERROR):
        code = ABNORMAL_CLOSURE
    return code, event.get("reason") or ""


def to_handshake_request(scope: Mapping[str, Any]) -> HandshakeRequest:
    """Return the handshake that an ASGI server tells of."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    host, port = scope.get("client") or ("", 0)
    query = scope.get("query_string", b"").decode("latin-1")
    target = scope.get("raw_path") or scope["path"].encode()
    return HandshakeRequest(
        (host, port),
        scope["path"],
        Headers(fields),
        dict(parse_qsl(query, keep_blank_values=True)),
        target.decode("latin-1") + (f"?{query}" if query else ""),
    )


async def refuse(scope: Mapping[str, Any], send: Send, rejection: Rejection) -> None:
    """Answer before the WebSocket is accepted, in words where the server can."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await answer(send, "websocket.http.response", rejection)
    else:
        is_full = rejection.status in (429, 503)
        code = CLOSE_TRY_AGAIN_LATER if is_full else POLICY_VIOLATION
        await send({"type": "websocket.close", "code": code, "reason": rejection.reason})


async def answer(send: Send, family: str, rejection: Rejection) -> None:
    """Answer by HTTP; `family` is how its events' types begin."""
    headers = [(b"content-type", b"application/json")]
    headers += [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in rejection.headers.items()
    ]
    await send({"type": f"{family}.start", "status": rejection.status, "headers": headers})
    body = json.dumps({"detail": rejection.reason}).encode()
    await send({"type": f"{family}.body", "body": body})


class ASGIWebSocket(Protocol):
    """What is needed of a `WebSocket` of FastAPI's or Starlette's."""

    scope: Any

    async def receive(self) -> Any: ...

    async def send(self, message: Any) -> None: ...


class FastAPIWebsocketParams(WebsocketServerParams):
    """Those of `WebsocketServerTransport`; the port's own are the ASGI server's affair.

    Attributes:
        allowed_origins: Web pages that may connect; None, or none, is all of them: the application
            has accepted the caller already.
        ws_close_timeout: Accepted from programs written for Pipecat; 5 seconds hold.
        fixed_audio_packet_size: As above, without effect: see `audio_out_10ms_chunks`.
    """

    ws_close_timeout: float | None = None
    fixed_audio_packet_size: int | None = None


class FastAPIWebsocketTransport(SessionTransport):
    """Brings a caller that an application has accepted to a pipeline.

    ::

        @app.websocket("/ws")
        async def talk(websocket: WebSocket):
            await websocket.accept()
            transport = FastAPIWebsocketTransport(
                websocket, FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True)
            )
            task = PipelineTask(Pipeline([transport.input(), Echo(), transport.output()]))
            await PipelineRunner(handle_sigint=False).run(task)

    Its events are those of `WebsocketServerTransport`. After `on_client_disconnected` an EndFrame
    ends the pipeline. With `authenticate` among the parameters, the application asks before it
    accepts: see `identify_websocket`.

    Args:
        websocket: Accepted.
        params: What the transport does.
        input_name: Name of the input processor, for logs.
        output_name: Name of the output processor, for logs.
        clock: The time.
        identity: Who the caller is, as `identify_websocket` has found.

    Raises:
        ConfigurationError: The parameters are not those of a server, or `authenticate` is among
            them and has not been asked.
        ValueError: The caller's page is none of `allowed_origins`.
    """

    def __init__(
        self,
        websocket: ASGIWebSocket,
        params: WebsocketServerParams | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
        *,
        clock: Clock | None = None,
        identity: Identity | None = None,
    ) -> None:
        params = params if params is not None else FastAPIWebsocketParams()
        if not isinstance(params, WebsocketServerParams):
            raise ConfigurationError(
                f"params is {type(params).__name__}; expected FastAPIWebsocketParams(...)"
            )
        if params.authenticate is not None and identity is None:
            raise ConfigurationError(
                "authenticate has not been asked: before websocket.accept(), call "
                "identity = await identify_websocket(websocket, params), and give it to this"
            )
        check_serializer(params.serializer)
        connection = ASGIConnection(
            websocket.scope,
            websocket.receive,
            websocket.send,
            settings=ConnectionSettings(max_message_bytes=params.max_message_bytes),
            clock=clock,
        )
        connection.identity = identity
        refusal = _foreign_origin(connection.request, params)
        if refusal is not None:
            raise ValueError(refusal)
        super().__init__(
            connection,
            params=params,
            clock=clock or MonotonicClock(),
            input_name=input_name,
            output_name=output_name,
        )


async def identify_websocket(
    websocket: ASGIWebSocket, params: WebsocketServerParams, *, clock: Clock | None = None
) -> Identity | None:
    """Ask `authenticate` about a caller whom the application has not accepted yet.

    ::

        identity = await identify_websocket(websocket, params)
        if identity is None:
            return  # It has been refused.
        await websocket.accept()
        transport = FastAPIWebsocketTransport(websocket, params, identity=identity)

    Args:
        websocket: Of FastAPI's or Starlette's, not accepted.
        params: With `authenticate`.
        clock: The time.

    Raises:
        ConfigurationError: There is no `authenticate` to ask.
    """
    if params.authenticate is None:
        raise ConfigurationError("params has no authenticate to ask")
    request = to_handshake_request(websocket.scope)
    foreign = _foreign_origin(request, params)
    if foreign is not None:
        admission: Admission = Rejection(403, foreign)
    else:
        admission = await identify(params, request, clock=clock or MonotonicClock())
    if isinstance(admission, Rejection):
        await refuse(websocket.scope, websocket.send, admission)
        return None
    return admission


def _foreign_origin(request: HandshakeRequest, params: WebsocketServerParams) -> str | None:
    """Return why a page may not connect; where none is named, the application has decided."""
    if not params.allowed_origins:
        return None
    origin, host = request.headers.get("origin"), request.headers.get("host")
    return origin_refusal(origin, host, params.allowed_origins, is_on_loopback=False)
