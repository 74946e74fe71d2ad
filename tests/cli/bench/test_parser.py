from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from voicewire.cli.bench.parser import (
    FrameParser,
    ServerProtocolError,
    client_message,
    control_frame,
)

LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536)


def server_frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False)


STREAM = b"".join(
    [
        server_frame(Opcode.BINARY, b"audio"),
        server_frame(Opcode.PING, b"there?"),
        server_frame(Opcode.TEXT, b"text"),
        server_frame(Opcode.BINARY, b"a" * 126),
        server_frame(Opcode.BINARY, b"in ", fin=False),
        server_frame(Opcode.PONG, b""),
        server_frame(Opcode.CONT, b"three ", fin=False),
        server_frame(Opcode.CONT, b"parts"),
        server_frame(Opcode.CLOSE, b"\x03\xe8"),
    ]
)
MESSAGES = [
    (Opcode.BINARY, b"audio"),
    (Opcode.PING, b"there?"),
    (Opcode.TEXT, b"text"),
    (Opcode.BINARY, b"a" * 126),
    (Opcode.PONG, b""),
    (Opcode.BINARY, b"in three parts"),
    (Opcode.CLOSE, b"\x03\xe8"),
]


def parse(*pieces: bytes) -> list[tuple[Opcode, bytes]]:
    parser = FrameParser()
    return [message for piece in pieces for message in parser.feed(piece)]


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_pieces_of_any_size_give_the_same_messages(size: int) -> None:
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert parse(*pieces) == MESSAGES


@given(st.sets(st.integers(0, len(STREAM))))
def test_any_cuts_give_the_same_messages(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert parse(*(STREAM[a:b] for a, b in pairwise(edges))) == MESSAGES


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths_of_every_size_are_read(length: int) -> None:
    data = server_frame(Opcode.BINARY, b"x" * length) + server_frame(Opcode.BINARY, b"next")
    expected = [(Opcode.BINARY, b"x" * length), (Opcode.BINARY, b"next")]
    assert parse(data) == expected
    assert parse(data[:3], data[3:9], data[9:]) == expected


def test_a_masked_frame_cannot_be_read() -> None:
    with pytest.raises(ServerProtocolError, match="masked"):
        parse(client_message(b"audio"))


def test_an_unknown_frame_cannot_be_read() -> None:
    with pytest.raises(ServerProtocolError, match="0x83"):
        parse(b"\x83\x00")


def test_what_a_client_sends_is_masked() -> None:
    for data in (client_message(b"audio"), client_message("text"), control_frame(Opcode.PONG, b"")):
        assert data[1] & 0x80
