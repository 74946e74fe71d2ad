"""A TCP connection in memory: the server has a transport of asyncio's at its end."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

WINDOW_BYTES = 64 * 1024
"""What the kernels of both sides hold of what the client does not read."""


class Client(Protocol):
    """Who is at the other end. Called on the event loop's thread."""

    def received(self, data: bytes) -> None:
        """Bytes have come."""

    def ended(self, *, is_reset: bool) -> None:
        """Nothing comes any more; by a reset, or because the server has said so."""


@dataclass
class Weather:
    """How the network is, from now on; it may be changed at any time.

    Attributes:
        delay_secs: From one end to the other. What was sent first still comes first.
        is_cut: Whether what is sent vanishes, without a word to either end.
    """

    delay_secs: float = 0.01
    is_cut: bool = False


@dataclass
class _Lane:
    """One direction: what is under way arrives in its order."""

    loop: asyncio.AbstractEventLoop
    weather: Weather
    arrive: Callable[[Any], None]
    due_at: float = 0.0
    under_way: deque[Any] = field(default_factory=deque)

    def send(self, item: Any) -> None:
        if self.weather.is_cut:
            return
        self.due_at = max(self.due_at, self.loop.time() + self.weather.delay_secs)
        self.under_way.append(item)
        self.loop.call_at(self.due_at, self._one_arrives)

    def _one_arrives(self) -> None:
        item = self.under_way.popleft()
        if not self.weather.is_cut:
            self.arrive(item)


class _End:
    """What travels when a side has nothing more to say, or will hear nothing more."""

    def __init__(self, *, is_reset: bool) -> None:
        self.is_reset = is_reset


class Link:
    """A connection of a client with the server.

    Attributes:
        weather: How the network between them is.
        num_losses: How often the server's protocol was told that it is lost.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        client: Client,
        address: tuple[str, int],
        weather: Weather,
    ) -> None:
        self.weather = weather
        self.num_losses = 0
        self._client = client
        self._up = _Lane(loop, weather, lambda item: self.transport.arrived(item))
        self._down = _Lane(loop, weather, self._arrived)
        self._reads = True
        self._has_ended = False
        self._unread: deque[bytes | _End] = deque()
        self.num_unread_bytes = 0
        self.transport = MemoryTransport(loop, self, address)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)

    # The client's side.

    def send(self, data: bytes) -> None:
        """Send to the server."""
        self._up.send(data)

    def send_end(self) -> None:
        """Say that nothing more will be sent."""
        self._up.send(_End(is_reset=False))

    def reset(self) -> None:
        """Be gone."""
        self._up.send(_End(is_reset=True))

    def read(self, *, reads: bool) -> None:
        """Begin, or cease, to read what comes."""
        self._reads = reads
        while self._reads and self._unread:
            item = self._unread.popleft()
            if isinstance(item, bytes):
                self.num_unread_bytes -= len(item)
                # The window opens again.
                self._up.send(b"")
            self._deliver(item)

    def _arrived(self, item: "bytes | _End") -> None:
        if self._reads:
            if isinstance(item, bytes):
                self.num_unread_bytes -= len(item)
                self._up.send(b"")
            self._deliver(item)
        else:
            self._unread.append(item)

    def _deliver(self, item: "bytes | _End") -> None:
        if isinstance(item, bytes):
            self._client.received(item)
        else:
            self._client.ended(is_reset=item.is_reset)

    # The server's side.

    def carry(self, data: bytes) -> int:
        """Take bytes for the client; return how many there was room for."""
        room = max(0, WINDOW_BYTES - self.num_unread_bytes)
        taken = data[:room]
        if taken:
            self.num_unread_bytes += len(taken)
            self._down.send(bytes(taken))
        return len(taken)

    def carry_end(self, *, is_reset: bool) -> None:
        """Tell the client that nothing more comes, once."""
        if self._has_ended:
            return
        self._has_ended = True
        self._down.send(_End(is_reset=is_reset))


class MemoryTransport(asyncio.Transport):
    """The server's end of a link."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, link: Link, address: tuple[str, int]
    ) -> None:
        super().__init__({"peername": address, "sockname": ("127.0.0.1", 8765)})
        self._loop = loop
        self._link = link
        self._protocol: asyncio.Protocol
        self._waiting: deque[bytes | _End] = deque()
        self._unsent = bytearray()
        self._high, self._low = 64 * 1024, 16 * 1024
        self._is_paused = False
        self._reads = True
        self._is_closing = False
        self._has_ended = False
        self._is_lost = False
        self._is_delivering = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol  # type: ignore[assignment]  # a streaming one

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    # What comes.

    def arrived(self, item: "bytes | _End") -> None:
        if self._is_lost:
            return
        if item == b"":
            self._send_unsent()
            return
        if isinstance(item, _End) and item.is_reset:
            self._lose(ConnectionResetError("the client has reset the connection"))
            return
        self._waiting.append(item)
        self._deliver()

    def _deliver(self) -> None:
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._waiting and self._reads and not self._is_closing:
                item = self._waiting.popleft()
                if isinstance(item, bytes):
                    self._protocol.data_received(item)
                elif not self._protocol.eof_received():
                    self.close()
        finally:
            self._is_delivering = False

    def is_reading(self) -> bool:
        return self._reads

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True
        self._loop.call_soon(self._deliver)

    # What goes.

    def write(self, data: Any) -> None:
        assert not self._has_ended, "write after write_eof"
        if self._is_closing:
            return
        is_first = not self._unsent
        self._unsent += data
        if is_first:
            self._send_unsent()
        if len(self._unsent) > self._high and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def _send_unsent(self) -> None:
        del self._unsent[: self._link.carry(bytes(self._unsent))]
        if self._is_paused and len(self._unsent) <= self._low:
            self._is_paused = False
            self._protocol.resume_writing()
        if not self._unsent and self._is_closing:
            self._lose(None)
        elif not self._unsent and self._has_ended:
            self._link.carry_end(is_reset=False)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._is_closing or self._has_ended:
            return
        self._has_ended = True
        self._send_unsent()

    # The end.

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if not self._unsent:
            self._lose(None)

    def abort(self) -> None:
        self._is_closing = True
        self._unsent.clear()
        self._lose(None)

    def _lose(self, exc: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        # Bytes that nobody will read make a kernel reset the connection.
        self._link.carry_end(is_reset=exc is not None or bool(self._waiting))
        self._loop.call_soon(self._tell_lost, exc)

    def _tell_lost(self, exc: Exception | None) -> None:
        self._link.num_losses += 1
        self._protocol.connection_lost(exc)
