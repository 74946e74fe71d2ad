"""The talk page and its files, as a browser gets them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.sessions.serving import echo
from tests.transports.client import Caller, eventually, serving
from tests.transports.raw_peer import listening, raw_peer
from voicewire.sessions import Limits, VoiceServer
from voicewire.transports.http import make_http_app
from voicewire.transports.pages import WEB
from voicewire.transports.params import WebsocketServerParams

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def browsing(**params: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = WebsocketServerParams.model_validate(params)
    async with listening(http_app=lambda: make_http_app(settings)) as (listener, _):
        url = f"http://127.0.0.1:{listener.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield client


async def test_the_page_and_all_that_it_names_are_there() -> None:
    async with browsing() as client:
        page = await client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(files) >= 3
        types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        for name in [*files, *(f"/assets/{path.name}" for path in (WEB / "assets").iterdir())]:
            answer = await client.get(name)
            assert answer.status_code == 200, name
            assert answer.headers["content-type"].startswith(types["." + name.split(".")[-1]])
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_may_use_nothing_but_its_own() -> None:
    async with browsing() as client:
        page = await client.get("/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "*" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)
    everything = "".join(path.read_text() for path in WEB.rglob("*.*"))
    addresses = set(re.findall(r"https?://[\w.-]+", everything))
    assert addresses <= {"http://www.w3.org"}, addresses


async def test_what_is_unchanged_is_not_sent_again() -> None:
    async with browsing() as client:
        page = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
        assert again.status_code in (200, 304)
        name = next((WEB / "assets").iterdir()).name
        asset = await client.get(f"/assets/{name}")
        same = await client.get(f"/assets/{name}", headers={"If-None-Match": asset.headers["etag"]})
        assert same.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../index.html",
        "/assets/../../errors.py",
        "/assets/%2e%2e/%2e%2e/errors.py",
        "/assets/..%2f..%2ferrors.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/",
        "/assets/nothing.js",
        "/../errors.py",
        "/index.html",
    ],
)
async def test_nothing_else_is_to_be_had(path: str) -> None:
    async with (
        listening(http_app=make_http_app) as (listener, _),
        raw_peer(listener) as peer,
    ):
        peer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = await peer.read_all()
    assert b" 404 " in answer.split(b"\r\n")[0]
    assert b'"detail"' in answer


async def test_without_the_page_there_is_none() -> None:
    async with browsing(talk_page=False) as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.get("/healthz")).status_code == 200


async def test_a_server_without_a_free_place_is_not_ready() -> None:
    async with VoiceServer(echo, port=0, host="127.0.0.1", limits=Limits(max_sessions=1)) as server:
        url = server.url.replace("ws", "http", 1)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/readyz")).status_code == 200
            async with Caller(server.url):
                busy = await client.get("/readyz")
                assert busy.status_code == 503
                assert busy.json()["detail"] == "all places are taken"
                assert (await client.get("/healthz")).status_code == 200
            await eventually(lambda: not server.sessions)
            assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize(("policy", "status"), [("reject", 503), ("replace", 200)])
async def test_a_transport_that_would_refuse_a_second_client_is_not_ready(
    policy: str, status: int
) -> None:
    async with serving(on_second_client=policy) as served:
        url = served.url.replace("ws", "http", 1)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/readyz")).status_code == 200
            async with Caller(served.url):
                await served.happened("connected", 0)
                assert (await client.get("/readyz")).status_code == status
