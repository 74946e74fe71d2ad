import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.transports.handshake import (
    BadHandshakeError,
    HandshakeRequest,
    RequestHead,
    parse_head,
)

PEER = ("192.0.2.1", 4711)


def head(target: str = "/", *fields: str) -> RequestHead:
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", *fields, "", ""]
    parsed = parse_head("\r\n".join(lines).encode())
    assert parsed is not None
    return parsed


def request(target: str) -> HandshakeRequest:
    return head(target).to_handshake_request(PEER)


@pytest.mark.parametrize(
    ("upgrade", "connection"),
    [
        ("websocket", "Upgrade"),
        ("websocket", "keep-alive, Upgrade"),
        ("WebSocket", "UPGRADE"),
        ("websocket", "upgrade,close"),
    ],
)
def test_an_upgrade_is_known_by_its_tokens(upgrade: str, connection: str) -> None:
    assert head("/", f"Upgrade: {upgrade}", f"Connection: {connection}").is_websocket_upgrade


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Upgrade: websocket",),
        ("Connection: Upgrade",),
        ("Upgrade: h2c", "Connection: Upgrade"),
        ("X-Note: Upgrade: websocket Connection: Upgrade",),
        ("Upgrade: websocketish", "Connection: Upgrade"),
    ],
)
def test_anything_else_is_plain_http(fields: tuple[str, ...]) -> None:
    assert not head("/", *fields).is_websocket_upgrade


def test_the_path_is_decoded_and_the_query_apart() -> None:
    parsed = request("/v1/caf%C3%A9?a=1&b=x%20y&a=2&c=")
    assert parsed.path == "/v1/café"
    assert parsed.query == {"a": "2", "b": "x y", "c": ""}
    assert parsed.remote_address == PEER


def test_a_target_in_the_form_for_proxies_is_understood() -> None:
    parsed = request("http://example.com/ws?a=1")
    assert (parsed.path, parsed.query) == ("/ws", {"a": "1"})


@pytest.mark.parametrize("target", ["*", "http://[", "ws", "/?" + "&".join(["a=1"] * 500)])
def test_a_target_that_makes_no_sense_is_a_bad_handshake(target: str) -> None:
    with pytest.raises(BadHandshakeError):
        request(target)


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_repeated_header_that_decides_is_a_bad_handshake(name: str) -> None:
    repeated = head("/", f"{name}: http://a", f"{name}: http://a")
    with pytest.raises(BadHandshakeError, match=name):
        repeated.to_handshake_request(PEER)


def test_without_a_host_it_is_a_bad_handshake() -> None:
    parsed = parse_head(b"GET / HTTP/1.1\r\n\r\n")
    assert parsed is not None
    with pytest.raises(BadHandshakeError, match="Host"):
        parsed.to_handshake_request(PEER)


def test_headers_are_found_in_any_case() -> None:
    headers = head("/", "X-Thing: a", "x-thing: b").headers
    assert headers["X-THING"] == "a, b"
    assert headers.get_all("x-Thing") == ["a", "b"]
    assert "X-Other" not in headers


def test_what_may_be_secret_is_not_shown() -> None:
    shown = repr(head("/?token=s3cret", "Authorization: s3cret").to_handshake_request(PEER))
    assert "s3cret" not in shown


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail(garbage: bytes) -> None:
    parse_head(garbage + b"\r\n\r\n")
    parsed = parse_head(b"GET / HTTP/1.1\r\nHost: a\r\n" + garbage + b"\r\n\r\n")
    if parsed is not None:
        assert isinstance(parsed.is_websocket_upgrade, bool)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80))
def test_no_target_makes_the_parser_fail(target: str) -> None:
    parsed = parse_head(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert parsed is not None
    with contextlib.suppress(BadHandshakeError):
        parsed.to_handshake_request(PEER)
