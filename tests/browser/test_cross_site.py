"""Cross-site WebSocket hijacking: a page of somebody else's, in the browser of who is logged in."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.chromium import chromium
from tests.browser.served import hummer, served
from voicewire import HandshakeRequest, Identity, Rejection, StaticTokens

COOKIE = "session=of-ada"

OPEN = """url => new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve("open");
    socket.onclose = event => resolve(`closed ${event.code}`);
})"""

POST = "url => fetch(url, {method: 'POST', credentials: 'include'}).then(r => r.status, () => 'no')"


class _Page(BaseHTTPRequestHandler):
    """Somebody's page, at whatever path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>free prizes</title>")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def foreign_port() -> Iterator[int]:
    """Serve a page on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class ByCookie:
    """Knows callers by a cookie, which a browser sends along whichever page asks for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, request: HandshakeRequest) -> Identity | Rejection:
        self.asked.append(request.headers.get("origin", ""))
        if COOKIE in request.headers.get("cookie", ""):
            return Identity("ada")
        return Rejection(401, "log in first")


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    """Return a browser in which all names of example.test are this machine."""
    rules = "--host-resolver-rules=MAP *.example.test 127.0.0.1"
    with chromium(None, arguments=(rules,)) as browser:
        yield browser.new_context(bypass_csp=True)


def result_in(context: BrowserContext, page_url: str, script: str, url: str) -> Any:
    """Return what comes of a script in a page from somewhere."""
    page = context.new_page()
    page.goto(page_url)
    try:
        return page.evaluate(script, url)
    finally:
        page.close()


def test_no_page_but_the_servers_own_can_use_the_callers_cookie(context: BrowserContext) -> None:
    port = free_port()
    own = f"http://localhost:{port}"
    hook = ByCookie()
    context.add_cookies([{"name": "session", "value": "of-ada", "url": own}])
    with (
        foreign_port() as other,
        served(hummer([]), port=port, authenticate=hook, allowed_origins=[own]) as server,
    ):
        # The port is no part of a site: the browser sends the cookie along.
        neighbour = f"http://localhost:{other}"
        evil = f"http://evil.example.test:{other}"
        for page in (neighbour, evil):
            assert result_in(context, page, OPEN, server.url) == "closed 1006"
            assert result_in(context, page, POST, f"{server.page}/connect") == "no"
        assert hook.asked == []
        assert result_in(context, own, OPEN, server.url) == "open"
        assert result_in(context, own, POST, f"{server.page}/connect") == 200
        assert hook.asked == [own, own]


def test_the_talk_page_shows_the_token_behind_its_address(context: BrowserContext) -> None:
    hook = StaticTokens({"ada": "adas+secret/token=1"})
    with served(hummer([]), authenticate=hook) as server:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for token, state in (("adas%2Bsecret%2Ftoken%3D1", "ready"), ("wrong", "idle")):
            page.goto("about:blank")
            page.goto(f"{server.page}/#token={token}")
            page.get_by_role("button", name="Talk").click()
            page.get_by_role("button", name="Write instead").click()
            expect(page.locator("body")).to_have_attribute("data-state", state)
        page.close()
    assert asked
    assert not [url for url in asked if "token=adas" in url.partition("#")[0]]


def test_a_name_that_was_rebound_to_this_machine_does_not_help(context: BrowserContext) -> None:
    hook = ByCookie()
    with served(hummer([]), authenticate=hook) as server:
        port = server.url.rpartition(":")[2]
        rebound = f"evil.example.test:{port}"
        # The page comes from the very server, by a name that its author has let resolve to it.
        for url in (f"ws://{rebound}", server.url):
            assert result_in(context, f"http://{rebound}/", OPEN, url) == "closed 1006"
        assert hook.asked == []
