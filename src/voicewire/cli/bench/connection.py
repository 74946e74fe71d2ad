"""One caller's socket."""

import asyncio
import ssl
import time
from typing import cast
from urllib.parse import urlsplit

from websockets.exceptions import InvalidHandshake
from websockets.frames import Close, CloseCode, Opcode
from websockets.uri import WebSocketURI

from voicewire.cli.bench.handshake import ClientHandshake, RefusedError
from voicewire.cli.bench.outcome import CallerOutcome, Fate
from voicewire.cli.bench.parser import FrameParser, ServerProtocolError, control_frame
from voicewire.cli.bench.plan import Window
from voicewire.cli.bench.role import Role

CONNECT_TIMEOUT_SECS = 10.0

_CLOSE = control_frame(Opcode.CLOSE, Close(CloseCode.NORMAL_CLOSURE, "").serialize())


class CallerConnection(asyncio.Protocol):
    """From the handshake to the goodbye; what is said and heard is its role's part.

    Attributes:
        is_open: Whether it may send.
        is_placed: Whether the handshake was answered with yes.
    """

    def __init__(self, number: int, uri: WebSocketURI, role: Role) -> None:
        self.is_open = False
        self.is_placed = False
        self._number = number
        self._uri = uri
        self._role = role
        self._handshake = ClientHandshake(uri)
        self._parser = FrameParser()
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._is_leaving = False
        self._fate = Fate.FAILED
        self._why = "not connected"
        self._first_due_at = 0.0
        self._num_sent = 0

    async def connect(self) -> None:
        """Call the server; afterwards `is_open` says whether it worked. Never raises."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECS):
                await asyncio.get_running_loop().create_connection(
                    lambda: self,
                    self._uri.host,
                    self._uri.port,
                    ssl=ssl.create_default_context() if self._uri.secure else None,
                )
                await self._opened
        except RefusedError as exc:
            self._fate, self._why = Fate.REFUSED, str(exc.status)
        except InvalidHandshake:
            self._why = "what answers is no WebSocket server"
        except TimeoutError:
            self._why = f"no answer within {CONNECT_TIMEOUT_SECS:g} s"
        except OSError as exc:
            self._why = (exc.strerror or str(exc)).lower()
        if not self.is_open and self._transport is not None:
            self._transport.abort()

    def begin(self, first_due_at: float) -> None:
        """Know when the first message is scheduled."""
        self._first_due_at = first_due_at
        self._role.begin(first_due_at)

    def send_frame(self) -> None:
        """Send what the role says next."""
        if self.is_open and self._transport is not None:
            self._num_sent += 1
            self._transport.write(self._role.next_message())

    def leave(self) -> None:
        """Say goodbye."""
        if self.is_open and self._transport is not None:
            self._is_leaving = True
            self.is_open = False
            self._transport.write(_CLOSE)

    async def wait_closed(self, timeout_secs: float) -> None:
        """Wait for the server to hang up, and hang up if it does not."""
        if self._transport is not None:
            await asyncio.wait([self._closed], timeout=timeout_secs)
            self._transport.abort()

    def outcome(self, window: Window) -> CallerOutcome:
        frames = window.frames(self._first_due_at)
        num_sent = len(range(frames.start, min(frames.stop, self._num_sent)))
        return CallerOutcome(
            self._number, self._fate, self._why, num_sent, self._role.heard(window)
        )

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by `isinstance`: uvloop's transports are no subclasses.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._handshake.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        try:
            if not self.is_placed:
                rest = self._handshake.receive(data)
                if rest is None:
                    return
                self._open()
                data = rest
            take = self._role.take
            for opcode, payload in self._parser.feed(data):
                if opcode is Opcode.BINARY:
                    take(payload, now=now)
                else:
                    self._take_other(opcode, payload, now)
        except (RefusedError, InvalidHandshake) as exc:
            if not self._opened.done():
                self._opened.set_exception(exc)
        except ServerProtocolError as exc:
            self._fail(f"the server sent {exc}")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionResetError("connection closed"))
        self._fail("connection lost")
        if not self._closed.done():
            self._closed.set_result(None)

    def _open(self) -> None:
        self.is_placed = self.is_open = True
        self._fate, self._why = Fate.SERVED, ""
        self._opened.set_result(None)

    def _take_other(self, opcode: Opcode, payload: bytes, now: float) -> None:
        if opcode is Opcode.TEXT:
            self._role.take(payload.decode(errors="replace"), now=now)
        elif opcode is Opcode.PING and self._transport is not None:
            self._transport.write(control_frame(Opcode.PONG, payload))
        elif opcode is Opcode.CLOSE:
            close = Close.parse(payload)
            self._fail(f"closed by the server ({int(close.code)})")

    def _fail(self, why: str) -> None:
        """Count as failed, unless it was over anyway."""
        if self.is_open and not self._is_leaving:
            self._fate, self._why = Fate.FAILED, why
            self.is_open = False
            if self._transport is not None:
                self._transport.close()


def is_websocket_url(url: str) -> bool:
    """Whether `url` can be called at all."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # An address in brackets that is none, a port that is none.
        return False
    return parts.scheme in ("ws", "wss") and bool(parts.hostname) and port != 0
