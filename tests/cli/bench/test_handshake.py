import re

import pytest
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from voicewire.cli.bench.handshake import ClientHandshake, RefusedError


def new_handshake() -> ClientHandshake:
    return ClientHandshake(parse_uri("ws://localhost:8765/ws?token=t"))


def answer_to(request: bytes) -> bytes:
    """Return what a real server says."""
    server = ServerProtocol()
    server.receive_data(request)
    (event,) = server.events_received()
    assert isinstance(event, Request)
    server.send_response(server.accept(event))
    return b"".join(server.data_to_send())


def test_the_request_asks_for_the_path_and_for_no_compression() -> None:
    request = new_handshake().request
    assert request.startswith(b"GET /ws?token=t HTTP/1.1\r\n")
    assert not re.search(rb"(?i)extensions", request)


def test_what_follows_a_yes_is_handed_back() -> None:
    handshake = new_handshake()
    assert handshake.receive(answer_to(handshake.request) + b"frames") == b"frames"


def test_a_yes_may_come_in_pieces() -> None:
    handshake = new_handshake()
    answer = answer_to(handshake.request)
    assert [handshake.receive(bytes([byte])) for byte in answer[:-1]] == [None] * (len(answer) - 1)
    assert handshake.receive(answer[-1:]) == b""


def test_a_no_tells_its_status() -> None:
    with pytest.raises(RefusedError, match="HTTP 503") as caught:
        new_handshake().receive(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n"
        )
    assert caught.value.status == 503


def test_a_yes_to_somebody_else_is_none() -> None:
    with pytest.raises(InvalidHandshake):
        new_handshake().receive(answer_to(new_handshake().request))


@pytest.mark.parametrize("answer", [b"220 mail ready\r\n\r\n", b"HTTP/1.1 what\r\n\r\n"])
def test_what_is_no_http_is_no_server(answer: bytes) -> None:
    with pytest.raises(InvalidHandshake):
        new_handshake().receive(answer)


def test_an_endless_answer_is_no_server() -> None:
    with pytest.raises(InvalidHandshake):
        new_handshake().receive(b"x" * 70_000)
