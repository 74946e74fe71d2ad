"""Where a client connects, as it asks by HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.transports.raw_peer import listening, raw_peer
from voicewire.errors import ConnectRefusedError
from voicewire.transports.connect import MAX_BODY_BYTES, ConnectRequest
from voicewire.transports.http import make_http_app
from voicewire.transports.params import WebsocketServerParams

pytestmark = pytest.mark.anyio

TOKEN = "let-me-in"  # noqa: S105 - of a test


@asynccontextmanager
async def asking(**params: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = WebsocketServerParams.model_validate(params)
    async with listening(http_app=lambda: make_http_app(settings, is_on_loopback=lambda: True)) as (
        listener,
        _,
    ):
        url = f"http://127.0.0.1:{listener.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield client


async def test_the_answer_is_the_address_that_was_called_and_nothing_else() -> None:
    async with asking() as client:
        answer = await client.post("/connect", json={})
        assert answer.status_code == 200
        assert answer.json() == {"wsUrl": f"ws://127.0.0.1:{client.base_url.port}/ws"}


@pytest.mark.parametrize("content", [b"", b"  ", b"{}"])
async def test_a_request_may_be_empty(content: bytes) -> None:
    async with asking() as client:
        assert (await client.post("/connect", content=content)).status_code == 200


async def test_behind_tls_the_address_is_one_of_tls() -> None:
    async with asking() as client:
        headers = {"X-Forwarded-Proto": "https", "Host": "voice.example.com"}
        answer = await client.post("/connect", json={}, headers=headers)
        assert answer.json() == {"wsUrl": "wss://voice.example.com/ws"}


@pytest.mark.parametrize("host", [b"", b"Host:\r\n"])
async def test_a_client_that_does_not_say_whom_it_called_is_refused(host: bytes) -> None:
    async with listening(http_app=make_http_app) as (listener, _), raw_peer(listener) as peer:
        peer.write(b"POST /connect HTTP/1.0\r\n" + host + b"Content-Length: 0\r\n\r\n")
        answer = await peer.read_all()
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"no Host header" in answer


async def test_a_public_url_is_told_as_it_is() -> None:
    async with asking(public_url="wss://voice.example.com/talk") as client:
        answer = await client.post("/connect", json={})
        assert answer.json() == {"wsUrl": "wss://voice.example.com/talk"}


async def test_the_application_gets_the_body_and_gives_a_token() -> None:
    asked: list[ConnectRequest] = []

    async def hook(request: ConnectRequest) -> str:
        asked.append(request)
        return TOKEN

    async with asking(connect_hook=hook) as client:
        answer = await client.post("/connect", json={"who": "Ada"}, headers={"X-Key": "1"})
        assert answer.json()["token"] == TOKEN
    (request,) = asked
    assert request.body == {"who": "Ada"}
    assert request.headers["x-key"] == "1"
    assert request.remote_address == "127.0.0.1"


async def test_without_a_token_there_is_none_in_the_answer() -> None:
    async def hook(request: ConnectRequest) -> None:
        return None

    async with asking(connect_hook=hook) as client:
        assert list((await client.post("/connect", json={})).json()) == ["wsUrl"]


async def test_the_application_may_refuse_a_client_and_say_why() -> None:
    async def hook(request: ConnectRequest) -> str:
        raise ConnectRefusedError("not before noon", status=429)

    async with asking(connect_hook=hook) as client:
        answer = await client.post("/connect", json={})
        assert (answer.status_code, answer.json()) == (429, {"info": "not before noon"})


@pytest.mark.parametrize("outcome", [RuntimeError("the secret is 42"), 7])
async def test_a_hook_that_fails_tells_the_client_nothing_of_it(
    outcome: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def hook(request: ConnectRequest) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with asking(connect_hook=hook) as client:
        answer = await client.post("/connect", json={})
        assert answer.status_code == 500
        assert "42" not in answer.text
    assert "the connect hook failed" in caplog.text


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[" * 20_000, 400, "not JSON"),
        (b"[1]", 400, "not a JSON object"),
        (b'"x"', 400, "not a JSON object"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "longer than"),
        (b" " * (2 << 20), 413, "longer than"),
    ],
)
async def test_a_body_that_is_none_is_refused_and_says_why(
    content: bytes, status: int, why: str
) -> None:
    async with asking() as client:
        answer = await client.post("/connect", content=content)
        assert answer.status_code == status
        assert why in answer.json()["info"]


async def test_a_page_of_this_machine_may_ask_and_the_browser_is_told_so() -> None:
    origin = "http://localhost:5173"
    async with asking() as client:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        preflight = await client.options("/connect", headers=headers)
        answer = await client.post("/connect", json={}, headers={"Origin": origin})
    assert preflight.status_code == 204
    assert "Content-Type" in preflight.headers["access-control-allow-headers"]
    for each in (preflight, answer):
        assert each.headers["access-control-allow-origin"] == origin
        assert each.headers["vary"] == "Origin"


async def test_pages_that_may_not_connect_may_not_ask() -> None:
    asked = []

    async def hook(request: ConnectRequest) -> None:
        asked.append(request)

    async with asking(connect_hook=hook) as client:
        answer = await client.post("/connect", json={}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert asked == []


async def test_pages_that_are_named_may_ask() -> None:
    origin = "https://app.example.com"
    async with asking(allowed_origins=[origin]) as client:
        answer = await client.post("/connect", json={}, headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    async with asking() as client:
        assert (await client.request(method, "/connect")).status_code == 405


@pytest.mark.parametrize("url", ["https://example.com", "example.com", ""])
def test_a_public_url_is_one_of_websocket(url: str) -> None:
    with pytest.raises(ValueError, match="public_url"):
        WebsocketServerParams(public_url=url)
