"""Plain HTTP on the same port: uvicorn's protocol serves an ASGI application on a given socket."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from voicewire.clock import Clock, TimerHandle
from voicewire.transports.settings import ListenerSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

OnUpgrade = Callable[[asyncio.Transport, bytes], None]


class HttpSide:
    """All plain HTTP connections of a listener, without uvicorn's server around them."""

    def __init__(
        self,
        http_app: "Callable[[], ASGIApp]",
        settings: ListenerSettings,
        clock: Clock,
        *,
        on_upgrade: OnUpgrade,
    ) -> None:
        """Load the application.

        Args:
            http_app: Makes it.
            settings: Timeouts and the bound of a request head.
            clock: For the deadline of slow peers.
            on_upgrade: Takes a socket back whose next request asks for WebSocket.
        """
        self._config = Config(
            http_app,
            factory=True,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,  # the library never configures logging
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=settings.http_keep_alive_secs,
            h11_max_incomplete_event_size=settings.max_head_bytes,
        )
        self._config.load()
        self._state = ServerState()
        self._settings = settings
        self._clock = clock
        self._on_upgrade = on_upgrade
        self._protocols: set[_HttpProtocol] = set()

    @property
    def num_connections(self) -> int:
        return len(self._protocols)

    def is_crowded_by(self, ip: str) -> bool:
        """Return whether one address has all the connections that it may have."""
        limit = self._settings.max_http_connections_per_ip
        if limit is None:
            return False
        return sum(each.ip == ip for each in self._protocols) >= limit

    def take_over(self, transport: asyncio.Transport, data: bytes, *, ip: str) -> None:
        """Serve a socket on which `data`, a request head and what followed it, has been read.

        Args:
            transport: The socket's.
            data: What has been read.
            ip: Who calls, through a proxy or not; of a connection that a proxy keeps, the first.
        """
        protocol = _HttpProtocol(
            self._config,
            self._state,
            ip=ip,
            clock=self._clock,
            request_timeout_secs=self._settings.http_request_timeout_secs,
            on_upgrade=self._on_upgrade,
            on_gone=self._protocols.discard,
        )
        self._protocols.add(protocol)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    async def close(self, grace_secs: float) -> None:
        """End every connection; responses in progress get `grace_secs`."""
        for protocol in list(self._protocols):
            protocol.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_secs):
                while self._state.tasks:
                    await asyncio.wait(self._state.tasks)
        for protocol in list(self._protocols):
            protocol.transport.abort()
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_secs):
                # An aborted socket is gone after a turn or two of the event loop.
                while self._protocols:  # noqa: ASYNC110 - no event for so short a wait
                    await asyncio.sleep(0)


class _QuietLogger(logging.Logger):
    """uvicorn's, but for a warning at each request that is none: anybody could fill the log."""

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)


_QUIET_LOGGER = _QuietLogger("uvicorn.error")
_QUIET_LOGGER.parent = logging.getLogger("uvicorn.error")


class _HttpProtocol(H11Protocol):
    """uvicorn's protocol, with a deadline for slow peers and a way back to WebSocket."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        *,
        ip: str,
        clock: Clock,
        request_timeout_secs: float,
        on_upgrade: OnUpgrade,
        on_gone: Callable[[Any], None],
    ) -> None:
        super().__init__(config, state, app_state={})
        self.ip = ip
        self.access_log = False
        self.logger = _QUIET_LOGGER
        self._clock = clock
        self._request_timeout_secs = request_timeout_secs
        self._on_upgrade = on_upgrade
        self._on_gone = on_gone
        self._deadline: TimerHandle | None = None
        self._has_left = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_peer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_peer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_peer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch_peer()

    def end(self) -> None:
        """Close after the response in progress, at once if there is none."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        # A body may turn out to be wrong while its answer is made, when it has begun, or is given.
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        # A proxy that keeps its connections may send a handshake behind other requests.
        fields = [b"%s: %s\r\n" % (bytes(name), bytes(value)) for name, value in self.headers]
        head = b"%s %s HTTP/1.1\r\n%s\r\n" % (event.method, event.target, b"".join(fields))
        self._leave()
        self.connections.discard(self)
        self._on_upgrade(self.transport, head + self.conn.trailing_data[0])

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def _watch_peer(self) -> None:
        """Keep an absolute deadline while the peer owes us something."""
        if not self._is_peer_slow():
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self._clock.call_later(
                self._request_timeout_secs, self._deadline_passed
            )

    def _is_peer_slow(self) -> bool:
        """Whether a request has begun and not ended, or a response is not taken."""
        if self._has_left:
            return False
        is_arriving = self.conn.their_state is h11.SEND_BODY or (
            self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        )
        is_ended = self.cycle is None or self.cycle.response_complete
        is_left_over = is_ended and self.transport.get_write_buffer_size() > 0
        return is_arriving or is_left_over or self.flow.write_paused

    def _deadline_passed(self) -> None:
        self._deadline = None
        if self._is_peer_slow():
            self.transport.abort()

    def _leave(self) -> None:
        self._has_left = True
        self._cancel_deadline()
        self._on_gone(self)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
