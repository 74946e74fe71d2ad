"""A transport that keeps what is written, and the bytes of a client's frames."""

import asyncio
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from voicewire.testing.clock import VirtualClock
from voicewire.transports.connection import Connection
from voicewire.transports.handshake import HandshakeRequest, Headers
from voicewire.transports.settings import ConnectionSettings

Event = bytes | str | tuple[str, int, str]


class FakeTransport(asyncio.Transport):
    """What the kernel never takes stays in `unsent`, until `drain`."""

    def __init__(self, *, drains: bool = True) -> None:
        super().__init__()
        self.written = bytearray()
        self.num_unsent_bytes = 0
        self.drains = drains
        self._reads = True
        self.ends: list[str] = []
        self.protocol: asyncio.Protocol | None = None
        self._high_water_bytes = 2**16
        self._is_closing = False
        self._is_paused = False

    def write(self, data: Any) -> None:
        self.written += data
        if self.drains:
            return
        self.num_unsent_bytes += len(data)
        if self.num_unsent_bytes > self._high_water_bytes and not self._is_paused:
            self._is_paused = True
            assert self.protocol is not None
            self.protocol.pause_writing()

    def drain(self) -> None:
        """Let the peer read everything."""
        self.num_unsent_bytes = 0
        if self._is_paused:
            self._is_paused = False
            assert self.protocol is not None
            self.protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_water_bytes = high or self._high_water_bytes

    def get_write_buffer_size(self) -> int:
        return self.num_unsent_bytes

    def is_reading(self) -> bool:
        return self._reads

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ends.append("eof")

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True
        self.ends.append("close")

    def abort(self) -> None:
        self._is_closing = True
        self.ends.append("abort")
        assert self.protocol is not None
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Recorder:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[bytes | str] = []
        self.events: list[str] = []
        self.closed: tuple[int, str] | None = None

    def message_received(self, message: bytes | str) -> None:
        assert self.closed is None, "a message after the end"
        self.messages.append(message)

    def writing_paused(self) -> None:
        self.events.append("paused")

    def writing_resumed(self) -> None:
        self.events.append("resumed")

    def connection_closed(self, code: int, reason: str) -> None:
        assert self.closed is None, "told twice"
        self.closed = (code, reason)


def make_connection(
    *,
    settings: ConnectionSettings | None = None,
    clock: VirtualClock | None = None,
    early_bytes: bytes = b"",
    drains: bool = True,
) -> tuple[Connection, FakeTransport]:
    """Return an open connection that has not been started, on a transport without a socket."""
    settings = settings or ConnectionSettings()
    transport = FakeTransport(drains=drains)
    connection = Connection(
        transport,
        ServerProtocol(state=State.OPEN, max_size=settings.max_message_bytes),
        HandshakeRequest(("127.0.0.1", 4711), "/ws", Headers([]), {"token": "secret"}),
        settings,
        clock=clock or VirtualClock(),
        early_bytes=early_bytes,
    )
    transport.protocol = connection
    return connection, transport


async def started(
    *,
    settings: ConnectionSettings | None = None,
    clock: VirtualClock | None = None,
    drains: bool = True,
) -> tuple[Connection, FakeTransport, Recorder]:
    """Return a connection that delivers to a recorder."""
    connection, transport = make_connection(settings=settings, clock=clock, drains=drains)
    recorder = Recorder()
    connection.start(recorder)
    await turn()
    return connection, transport, recorder


async def turn() -> None:
    """Let the event loop run what is due."""
    for _ in range(3):
        await asyncio.sleep(0)


def client_frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return Frame(opcode, payload, fin).serialize(mask=True)


def binary(payload: bytes) -> bytes:
    return client_frame(Opcode.BINARY, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    return client_frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode())
