"""A connection that this side opens."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError, ConnectError
from voicewire.transports.connection import Connection
from voicewire.transports.handshake import HEAD_END, Headers, RequestHead
from voicewire.transports.settings import ConnectionSettings
from voicewire.transports.upgrade import QUIET_LOGGER

MAX_HEAD_BYTES = 64 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)\b")


async def connect(
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_secs: float = 10.0,
    settings: ConnectionSettings | None = None,
    clock: Clock | None = None,
) -> Connection:
    """Call a server.

    Args:
        url: Such as `ws://localhost:8765/ws` or `wss://voice.example.com`.
        query: Further fields of the URL's query.
        headers: Further header fields of the handshake.
        timeout_secs: How long it may take.
        settings: Limits and timeouts of the connection.
        clock: The time.

    Raises:
        ConfigurationError: `url` is no address of a WebSocket server.
        ConnectError: There is no server, or it refuses.
    """
    try:
        uri = parse_uri(_with_query(url, query or {}))
    except (InvalidURI, ValueError) as exc:
        raise ConfigurationError(
            f"{without_secrets(url)!r} is no WebSocket address; expected one such as "
            "'ws://localhost:8765'"
        ) from exc
    settings = settings or ConnectionSettings()
    call = _Call(uri, headers or {}, settings)
    try:
        async with asyncio.timeout(timeout_secs):
            early_bytes = await call.make()
    except _RefusedError as exc:
        raise ConnectError(f"the server refuses the call: HTTP {exc}", status=exc.status) from None
    except InvalidHandshake as exc:
        raise ConnectError("what answers there is no WebSocket server") from exc
    except TimeoutError as exc:
        raise ConnectError(f"no answer within {timeout_secs:g} s") from exc
    except OSError as exc:
        raise ConnectError(f"cannot be reached: {_words_of(exc)}") from exc
    return call.to_connection(early_bytes, settings, clock or MonotonicClock())


class _RefusedError(Exception):
    """The server has answered with something else than yes."""

    def __init__(self, status: int) -> None:
        known = {each.value: each.phrase for each in HTTPStatus}
        super().__init__(f"{status} {known.get(status, '')}".rstrip())
        self.status = status


class _Call(asyncio.Protocol):
    """From the TCP connection to the answer of the handshake."""

    def __init__(
        self, uri: WebSocketURI, headers: Mapping[str, str], settings: ConnectionSettings
    ) -> None:
        self._answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._protocol = ClientProtocol(
            uri, extensions=None, max_size=settings.max_message_bytes, logger=QUIET_LOGGER
        )
        self._uri = uri
        self._headers = headers
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    async def make(self) -> bytes:
        """Call, and return what came behind the answer; whatever else happens, leave nothing."""
        uri = self._uri
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self, uri.host, uri.port, ssl=_tls(uri)
            )
            return await self._answered
        except BaseException:
            if self._transport is not None:
                self._transport.abort()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports are not derived from asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        request = self._protocol.connect()
        request.headers.update(self._headers)
        self._protocol.send_request(request)
        self._transport.writelines(self._protocol.data_to_send())

    def data_received(self, data: bytes) -> None:
        if self._answered.done():
            return
        self._buffer += data
        blank_line = HEAD_END.search(self._buffer)
        if blank_line is None:
            if len(self._buffer) > MAX_HEAD_BYTES:
                self._fail(InvalidHandshake(f"an answer longer than {MAX_HEAD_BYTES} bytes"))
            return
        status = _STATUS_LINE.match(self._buffer)
        if status is not None and status[1] != b"101":
            self._fail(_RefusedError(int(status[1])))
            return
        self._protocol.receive_data(bytes(self._buffer[: blank_line.end()]))
        self._protocol.events_received()
        if self._protocol.state is not State.OPEN:
            self._fail(self._protocol.handshake_exc or InvalidHandshake("no answer"))
            return
        assert self._transport is not None  # noqa: S101 - it has brought the data
        self._transport.pause_reading()  # until the connection has taken over
        self._answered.set_result(bytes(self._buffer[blank_line.end() :]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("the server hung up"))

    def to_connection(
        self, early_bytes: bytes, settings: ConnectionSettings, clock: Clock
    ) -> Connection:
        """Hand the transport on."""
        transport = self._transport
        assert transport is not None  # noqa: S101 - it has been answered
        fields = [("Host", self._uri.host), *self._headers.items()]
        peer = transport.get_extra_info("peername")
        head = RequestHead(self._uri.resource_name, Headers(fields))
        request = head.to_handshake_request((peer[0], peer[1]))
        transport.resume_reading()
        connection = Connection(
            transport, self._protocol, request, settings, clock=clock, early_bytes=early_bytes
        )
        transport.set_protocol(connection)
        return connection

    def _fail(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


def without_secrets(url: str) -> str:
    """Return a URL for messages: the query, and what stands before the host, may hold tokens."""
    beginning, slashes, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{beginning}{slashes}{host.rpartition('@')[2]}{slash}{path}"


def _with_query(url: str, fields: Mapping[str, str]) -> str:
    if not fields:
        return url
    parts = urlsplit(url)
    return urlunsplit(
        parts._replace(query="&".join(filter(None, (parts.query, urlencode(fields)))))
    )


def _tls(uri: WebSocketURI) -> ssl.SSLContext | None:
    return _default_context() if uri.secure else None


@cache
def _default_context() -> ssl.SSLContext:
    """Return what trusts the authorities of this machine; to read them takes 30 ms."""
    return ssl.create_default_context()


def _words_of(error: OSError) -> str:
    # asyncio puts several addresses' errors into one text: "Multiple exceptions: [Errno 111] ...".
    if isinstance(error, ConnectionRefusedError) or "Errno 111" in str(error):
        return "connection refused; does the server run?"
    return (error.strerror or str(error) or type(error).__name__).lower()
