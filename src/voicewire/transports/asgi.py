"""A caller whose WebSocket an ASGI server has accepted: FastAPI, Starlette and their like.

The specification: https://asgi.readthedocs.io/en/latest/specs/www.html#websocket.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError, SessionClosed
from voicewire.transports.handshake import Headers
from voicewire.transports.origins import origin_refusal
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.receiver import MessageReceiver
from voicewire.transports.session import SessionTransport
from voicewire.transports.settings import ConnectionSettings
from voicewire.transports.websocket import check_serializer

logger = logging.getLogger(__name__)

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

ABNORMAL_CLOSURE = 1006
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
        self.path: str = scope["path"]
        self.headers: Mapping[str, str] = Headers(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        )
        query = scope.get("query_string", b"").decode("latin-1")
        self.query: Mapping[str, str] = dict(parse_qsl(query, keep_blank_values=True))
        subprotocols = scope.get("subprotocols") or [None]
        self.subprotocol: str | None = subprotocols[0]
        host, port = scope.get("client") or ("", 0)
        self.remote_address: tuple[str, int] = (host, port)
        self.is_writing_paused = False
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
                    code = event.get("code") or ABNORMAL_CLOSURE
                    self._end = self._end or (code, event.get("reason") or "")
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
        if self._receiver is not None:
            assert self._end is not None  # noqa: S101 - whoever calls has set it
            self._receiver.connection_closed(*self._end)

    def _run(self, coroutine: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))


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
    ends the pipeline.

    Args:
        websocket: Accepted.
        params: What the transport does.
        input_name: Name of the input processor, for logs.
        output_name: Name of the output processor, for logs.
        clock: The time.

    Raises:
        ConfigurationError: The parameters are not those of a server.
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
    ) -> None:
        params = params if params is not None else FastAPIWebsocketParams()
        if not isinstance(params, WebsocketServerParams):
            raise ConfigurationError(
                f"params is {type(params).__name__}; expected FastAPIWebsocketParams(...)"
            )
        check_serializer(params.serializer)
        connection = ASGIConnection(
            websocket.scope,
            websocket.receive,
            websocket.send,
            settings=ConnectionSettings(max_message_bytes=params.max_message_bytes),
            clock=clock,
        )
        if params.allowed_origins:
            origin, host = connection.headers.get("origin"), connection.headers.get("host")
            refusal = origin_refusal(origin, host, params.allowed_origins, is_on_loopback=False)
            if refusal is not None:
                raise ValueError(refusal)
        super().__init__(
            connection,
            params=params,
            clock=clock or MonotonicClock(),
            input_name=input_name,
            output_name=output_name,
        )
