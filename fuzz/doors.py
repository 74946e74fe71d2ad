"""The first bytes of a connection, and the frames behind them, without a server around them."""

import asyncio

from fuzz.inputs import split_messages
from tests.transports.fake_transport import FakeTransport, make_connection
from voicewire.transports.connection import Connection
from voicewire.transports.handshake import HEAD_END, BadHandshakeError, parse_head
from voicewire.transports.origins import origin_refusal
from voicewire.transports.settings import ConnectionSettings
from voicewire.transports.upgrade import Upgrade

MAX_MESSAGE_BYTES = 1024


def read_head(data: bytes) -> None:
    """Take a request head as the front door does.

    Raises:
        AssertionError: The answer is none.
    """
    blank_line = HEAD_END.search(data)
    head = data[: blank_line.end()] if blank_line else data + b"\r\n\r\n"
    parsed = parse_head(head)
    if parsed is None or not parsed.is_websocket_upgrade:
        return
    upgrade = Upgrade(head, subprotocols=("audio",), max_message_bytes=MAX_MESSAGE_BYTES)
    if upgrade.rejection is not None:
        assert 400 <= upgrade.rejection.status <= 599
        upgrade.rejection.reason.encode()
        return
    try:
        request = parsed.to_handshake_request(("10.0.0.2", 1))
    except BadHandshakeError as exc:
        str(exc).encode()
        return
    origin, host = request.headers.get("origin"), request.headers["host"]
    for is_on_loopback in (False, True):
        refusal = origin_refusal(origin, host, None, is_on_loopback=is_on_loopback)
        assert refusal is None or refusal
    assert upgrade.accept().startswith(b"HTTP/1.1 101 ")


class _Echo:
    """Says what it hears, and counts how often it is told of the end."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.num_ends = 0

    def message_received(self, message: bytes | str) -> None:
        assert not self.num_ends, "a message behind the end"
        assert len(message) <= MAX_MESSAGE_BYTES
        self.connection.send(message)

    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...

    def connection_closed(self, code: int, reason: str) -> None:
        assert 1000 <= code <= 4999
        reason.encode()
        self.num_ends += 1


class FramesTarget:
    """Feeds an open connection; each message of the input is what one read brings."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def __call__(self, data: bytes) -> None:
        """Run one input.

        Raises:
            AssertionError: It was not ended in order, or more was written than was asked for.
        """
        self._loop.run_until_complete(self._feed(data))

    async def _feed(self, data: bytes) -> None:
        reads = [
            each if isinstance(each, bytes) else each.encode() for each in split_messages(data)
        ]
        settings = ConnectionSettings(max_message_bytes=MAX_MESSAGE_BYTES)
        connection, transport = make_connection(settings=settings)
        echo = _Echo(connection)
        connection.start(echo)
        await asyncio.sleep(0)
        for read in reads:
            connection.data_received(read)
        await _until_quiet(transport)
        assert len(transport.written) <= 4 * len(data) + 256
        connection.eof_received()
        connection.connection_lost(None)
        assert echo.num_ends == 1, f"told {echo.num_ends} times of the end"
        assert not connection.is_open


async def _until_quiet(transport: FakeTransport) -> None:
    """Let the frames have their turn that one read may bring too many of."""
    num_written = -1
    while num_written < len(transport.written):
        num_written = len(transport.written)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
