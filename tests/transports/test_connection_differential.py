"""Both lanes against the plain parser: the same bytes, cut in every way, mean the same."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.transports.fake_transport import binary, client_frame, close_frame, make_connection
from voicewire.transports.connection import Connection
from voicewire.transports.engine import MAX_PENDING_PONGS
from voicewire.transports.settings import ConnectionSettings

MAX_MESSAGE_BYTES = 400
MAX_PINGS = 8
assert MAX_PINGS <= MAX_PENDING_PONGS, "not every ping is answered"
KEY = b"\x11\x22\x33\x44"


@dataclass
class Outcome:
    messages: list[bytes | str] = field(default_factory=list)
    written: bytes = b""
    code: int = 0
    ended_writing: bool = False

    def frames(self) -> tuple[list[tuple[int, bytes]], list[bytes], list[bytes]]:
        """Return what a client reads: data frames, pongs, close frames."""
        client = ClientProtocol(parse_uri("ws://x"), state=State.OPEN)
        client.receive_data(self.written)
        read = [event for event in client.events_received() if isinstance(event, Frame)]
        assert client.parser_exc is None
        return (
            [(f.opcode, bytes(f.data)) for f in read if f.opcode in (Opcode.TEXT, Opcode.BINARY)],
            [bytes(f.data) for f in read if f.opcode is Opcode.PONG],
            [bytes(f.data) for f in read if f.opcode is Opcode.CLOSE],
        )


class Parser(ServerProtocol):
    """Takes a close frame in the middle of a message for what it is (RFC 6455, section 5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


def by_the_parser_alone(stream: bytes) -> Outcome:
    """Echo each message with nothing but `ServerProtocol`, which reads byte by byte."""
    engine = Parser(state=State.OPEN, max_size=MAX_MESSAGE_BYTES)
    outcome = Outcome()
    parts: list[bytes] = []
    is_text = False
    for value in stream:
        engine.receive_data(bytes((value,)))
        for frame in engine.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            if frame.opcode is not Opcode.CONT:
                is_text = frame.opcode is Opcode.TEXT
                parts = []
            parts.append(bytes(frame.data))
            if not frame.fin:
                continue
            payload = b"".join(parts)
            try:
                outcome.messages.append(payload.decode() if is_text else payload)
            except UnicodeDecodeError as exc:
                reason = f"text is not UTF-8: {exc.reason} at byte {exc.start}"
                engine.fail(1007, reason)
                continue
            if is_text:
                engine.send_text(payload)
            else:
                engine.send_binary(payload)
    engine.receive_eof()
    writes = engine.data_to_send()
    outcome.written = b"".join(writes)
    words = engine.close_rcvd if engine.close_rcvd_then_sent else engine.close_sent
    outcome.code = int(words.code) if words else 1006
    return outcome


class Echo:
    def __init__(self, connection: Connection, outcome: Outcome) -> None:
        self.connection = connection
        self.outcome = outcome

    def message_received(self, message: bytes | str) -> None:
        self.outcome.messages.append(message)
        self.connection.send(message)

    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...

    def connection_closed(self, code: int, reason: str) -> None:
        assert not self.outcome.code
        self.outcome.code = code


async def by_the_connection(stream: bytes, cuts: list[int], num_early_bytes: int) -> Outcome:
    outcome = Outcome()
    connection, transport = make_connection(
        settings=ConnectionSettings(max_message_bytes=MAX_MESSAGE_BYTES),
        early_bytes=stream[:num_early_bytes],
    )
    connection.start(Echo(connection, outcome))
    await asyncio.sleep(0)
    position = num_early_bytes
    turn = 0
    while position < len(stream):
        after = position + cuts[turn % len(cuts)]
        connection.data_received(stream[position:after])
        position = after
        turn += 1
    connection.eof_received()
    connection.connection_lost(None)
    outcome.written = bytes(transport.written)
    return outcome


def with_head(first: int, second: int, payload: bytes, *, extension: bytes = b"") -> bytes:
    """Return a frame with any head, right or wrong; the mask leaves the payload as it is."""
    return bytes((first, second)) + extension + bytes(4) + payload


PAYLOADS = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([0, 1, 2, 125, 126, 127, 300, 400]).map(lambda n: (bytes(range(200)) * 2)[:n]),
    # Payloads that look like frames.
    st.sampled_from([b"\x82\x85abcd12345" * 3, b"\x82\xfe\x00\x80" + bytes(130)]),
)
TEXTS = st.one_of(st.text(max_size=6).map(str.encode), st.binary(max_size=4))
FINE = st.one_of(
    PAYLOADS.map(binary),
    TEXTS.map(lambda payload: client_frame(Opcode.TEXT, payload)),
    st.binary(max_size=5).map(lambda payload: client_frame(Opcode.PING, payload)),
    st.just(client_frame(Opcode.PONG, b"x")),
)
FRAGMENTED = st.tuples(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY]),
    st.lists(st.one_of(TEXTS, st.just(bytes(150))), min_size=1, max_size=4),
    st.booleans(),
).map(
    lambda drawn: b"".join(
        client_frame(drawn[0] if index == 0 else Opcode.CONT, part, fin=index == len(drawn[1]) - 1)
        + (client_frame(Opcode.PING, b"between") if drawn[2] and index == 0 else b"")
        for index, part in enumerate(drawn[1])
    )
)
CLOSES = st.one_of(
    st.sampled_from([1000, 1001, 1005, 3000, 4999, 999]).map(close_frame),
    st.just(client_frame(Opcode.CLOSE)),
    st.just(client_frame(Opcode.CLOSE, b"\x03")),
    st.just(client_frame(Opcode.CLOSE, b"\x03\xe8\xff")),
)
WRONG = st.one_of(
    st.sampled_from(
        [
            binary(bytes(MAX_MESSAGE_BYTES + 1)),
            binary(bytes(65536)),
            client_frame(Opcode.CONT, b"lost"),
            client_frame(Opcode.BINARY, b"begun", fin=False),
            b"\x82\x05hello",  # not masked
            with_head(0x82, 0xFF, b"", extension=b"\xff" * 8),
            with_head(0x82, 0xFF, b"hi", extension=(2).to_bytes(8, "big")),  # not the shortest
            with_head(0x82, 0xFE, b"hi", extension=b"\x00\x02"),
            with_head(0xC2, 0x82, b"hi"),  # reserved bit
            with_head(0x83, 0x82, b"hi"),  # reserved opcode
            with_head(0x09, 0x82, b"hi"),  # fragmented ping
            with_head(0x89, 0xFE, bytes(200), extension=b"\x00\xc8"),  # long ping
            b"\x82",
            b"\x82\xfe\x00",
            b"\x82\xfe\x01\x00" + KEY + b"half",
        ]
    ),
    st.binary(min_size=1, max_size=12),
)
FRAMES = st.one_of(FINE, FINE, FRAGMENTED, CLOSES, WRONG)
STREAMS = st.lists(FRAMES, max_size=MAX_PINGS).map(b"".join)
CUTS = st.one_of(
    st.just([10**6]),
    st.just([1]),
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.lists(st.integers(100, 900), min_size=1, max_size=4),
)


DISGUISED = binary(b"in disguise")
HOLLOW = with_head(0x82, 0xFE, DISGUISED * 2, extension=(2 * len(DISGUISED)).to_bytes(2, "big"))


@settings(max_examples=500, deadline=None)
@given(STREAMS, CUTS, st.integers(0, 30))
@example(client_frame(Opcode.TEXT, b"\xff") + close_frame(1000), [10**6], 0)
@example(binary(b"one") + close_frame(1000) + binary(b"late"), [10**6], 0)
@example(client_frame(Opcode.PING, b"p") + binary(b"audio"), [10**6], 0)
@example(client_frame(Opcode.BINARY, b"begun", fin=False) + binary(b"audio"), [10**6], 0)
@example(client_frame(Opcode.BINARY, b"begun", fin=False) + binary(b"audio"), [11], 0)
@example(client_frame(Opcode.BINARY, b"begun", fin=False) + close_frame(1000), [1], 0)
@example(client_frame(Opcode.BINARY, b"begun", fin=False) + close_frame(999), [10**6], 0)
@example(b"\x82\x05hello" + binary(b"audio"), [10**6], 0)
@example(HOLLOW, [4], 0)
@example(HOLLOW, [8], 0)
@example(HOLLOW, [1], 0)
@example(HOLLOW, [8, 40], 0)
@example(binary(bytes(300)), [100], 0)
@example(with_head(0x82, 0xFF, b"hi", extension=(2).to_bytes(8, "big")) + binary(b"next"), [3], 0)
def test_the_fast_lane_and_the_parser_alone_agree(
    stream: bytes, cuts: list[int], num_early_bytes: int
) -> None:
    expected = by_the_parser_alone(stream)
    found = asyncio.run(by_the_connection(stream, cuts, num_early_bytes))
    assert found.messages == expected.messages
    assert found.code == expected.code
    assert found.frames() == expected.frames()
