import asyncio
import logging
from ipaddress import ip_network

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.transports.fake_transport import binary
from tests.transports.raw_peer import listening, raw_peer, until, upgrade
from voicewire.testing.clock import VirtualClock
from voicewire.transports.http import make_http_app
from voicewire.transports.listener import Listener
from voicewire.transports.settings import ListenerSettings

pytestmark = pytest.mark.anyio

GET_HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
MALFORMED_CHUNK = b"6\r\nab\r\n0\r\n\r\n"
"""It says that it is longer than it is."""


def chunked(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def make_client(listener: Listener) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False)


def make_echo_app() -> ASGIApp:
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"body": (await request.body()).decode()})

    async def slow(_: Request) -> PlainTextResponse:
        await asyncio.sleep(60)
        return PlainTextResponse("late")

    async def big(_: Request) -> PlainTextResponse:
        return PlainTextResponse("x" * 20_000_000)

    return Starlette(
        routes=[Route("/echo", echo, methods=["POST"]), Route("/slow", slow), Route("/big", big)]
    )


async def test_http_and_websocket_share_the_port(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(http_app=make_http_app) as (listener, visits):
        async with make_client(listener) as client:
            response = await client.get("/healthz")
            assert (response.status_code, response.json()) == (200, {"status": "ok"})
            assert (await client.head("/healthz")).status_code == 200
            assert (await client.post("/healthz", content=b"x" * 100)).status_code == 405
            missing = await client.get("/nothing")
            assert missing.status_code == 404
            assert "WebSocket" in missing.json()["detail"]
        async with raw_peer(listener) as peer:
            await peer.shake_hands()
            await visits.next()
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_a_body_that_comes_with_the_head_and_after_it_arrives() -> None:
    async with listening(http_app=make_echo_app) as (listener, _):
        async with make_client(listener) as client:
            body = "x" * 200_000
            assert (await client.post("/echo", content=body)).json() == {"body": body}
        async with raw_peer(listener) as peer:
            peer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
            await asyncio.sleep(0.01)
            peer.write(b"cd")
            await peer.read_head()
            assert await peer.read(15) == b'{"body":"abcd"}'


async def test_requests_in_one_write_are_answered_in_turn() -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        peer.write(GET_HEALTHZ * 3)
        for _ in range(3):
            assert "200" in await peer.read_head()
            await peer.read(15)


async def test_lines_may_end_in_a_bare_line_feed() -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        peer.write(b"GET /healthz HTTP/1.0\nHost: a\n\n")
        assert b"ok" in await peer.read_all()


async def test_what_is_no_http_is_answered_with_400() -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        status, _ = await peer.answer(b"hello there\r\n\r\n")
        assert status == 400


async def test_a_body_that_is_wrong_before_its_answer_has_begun_is_answered_with_400(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        status, said = await peer.answer(chunked("/connect") + MALFORMED_CHUNK)
    assert status == 400
    assert said.count("HTTP/1.1") == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_body_that_is_wrong_when_its_answer_is_given_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        peer.write(chunked("/nothing"))
        assert (await peer.read_head()).startswith("HTTP/1.1 404")
        peer.write(MALFORMED_CHUNK)
        assert b"HTTP/1.1" not in await peer.read_all()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_handshake_may_follow_other_requests_on_the_same_socket() -> None:
    async with (
        listening(http_app=make_http_app) as (listener, visits),
        raw_peer(listener) as peer,
    ):
        peer.write(GET_HEALTHZ)
        await peer.read_head()
        await peer.read(15)
        await peer.shake_hands(upgrade("/late?a=1") + binary(b"first"))
        connection, recorder = await visits.next()
        await until(lambda: recorder.messages == [b"first"])
        assert connection.path == "/late"
        connection.send(b"x")
        assert await peer.read(3) == b"\x82\x01x"


async def test_a_handshake_that_a_proxy_has_stripped_is_explained() -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        peer.write(upgrade(without="Upgrade"))
        assert "426" in await peer.read_head()


async def test_too_many_http_connections_are_refused() -> None:
    settings = ListenerSettings(max_http_connections=1)
    async with (
        listening(http_app=make_http_app, settings=settings) as (listener, _),
        raw_peer(listener) as first,
        raw_peer(listener) as second,
    ):
        first.write(GET_HEALTHZ)
        assert "200" in await first.read_head()
        status, _ = await second.answer(GET_HEALTHZ)
        assert status == 503


async def test_one_address_has_its_share_of_the_http_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.transports.listener.is_loopback", lambda ip: False)
    settings = ListenerSettings(max_http_connections_per_ip=1)
    async with (
        listening(http_app=make_http_app, settings=settings) as (listener, _),
        raw_peer(listener) as first,
        raw_peer(listener) as second,
    ):
        first.write(GET_HEALTHZ)
        assert "200" in await first.read_head()
        status, _ = await second.answer(GET_HEALTHZ)
        assert status == 429


async def test_behind_a_proxy_each_caller_has_their_share_of_the_http_connections() -> None:
    settings = ListenerSettings(
        max_http_connections_per_ip=1, trusted_proxies=(ip_network("127.0.0.1"),)
    )

    def get(caller: str) -> bytes:
        return GET_HEALTHZ.replace(b"\r\n\r\n", f"\r\nX-Forwarded-For: {caller}\r\n\r\n".encode())

    async with (
        listening(http_app=make_http_app, settings=settings) as (listener, _),
        raw_peer(listener) as first,
        raw_peer(listener) as second,
        raw_peer(listener) as other,
    ):
        first.write(get("203.0.113.6"))
        assert "200" in await first.read_head()
        assert (await second.answer(get("203.0.113.6")))[0] == 429
        assert (await other.answer(get("203.0.113.7")))[0] == 200


async def test_what_is_no_http_is_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with (
        listening(http_app=make_http_app) as (listener, _),
        raw_peer(listener) as peer,
    ):
        peer.write(b"GET / HTTP/1.1\r\nno field\r\n\r\n")
        assert "400" in await peer.read_head()
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


async def test_a_request_that_trickles_in_has_one_deadline() -> None:
    clock = VirtualClock()
    async with (
        listening(http_app=make_echo_app, clock=clock) as (listener, _),
        raw_peer(listener) as peer,
    ):
        peer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        for _ in range(29):
            await asyncio.sleep(0.001)
            clock.advance(1)
            peer.write(b"x")
        await asyncio.sleep(0.001)
        clock.advance(1)
        with pytest.raises((ConnectionResetError, EOFError)):
            await peer.read(1)


async def test_a_response_that_nobody_takes_has_a_deadline() -> None:
    clock = VirtualClock()
    async with (
        listening(http_app=make_echo_app, clock=clock) as (listener, _),
        raw_peer(listener) as peer,
    ):
        side = listener.http_side
        assert side is not None
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.write(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: side.num_connections == 1)
        await asyncio.sleep(0.05)
        clock.advance(30)
        await until(lambda: side.num_connections == 0)


async def test_closing_the_listener_ends_idle_and_busy_http_connections() -> None:
    async with (
        listening(http_app=make_echo_app) as (listener, _),
        raw_peer(listener) as idle,
        raw_peer(listener) as busy,
    ):
        idle.write(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        await idle.read_head()
        busy.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert listener.http_side is not None
        side = listener.http_side
        await until(lambda: side.num_connections == 2)
        await listener.close()
        assert side.num_connections == 0
