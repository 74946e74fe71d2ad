"""Who calls through a reverse proxy."""

from contextlib import AsyncExitStack
from ipaddress import ip_network

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.sessions.serving import voice_server
from tests.transports.raw_peer import listening, raw_peer, until
from voicewire import ConnectRequest, Limits
from voicewire.transports.proxies import caller_behind
from voicewire.transports.settings import ListenerSettings

pytestmark = pytest.mark.anyio

TRUSTED = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1"))


@pytest.mark.parametrize(
    ("proxy", "forwarded_for", "caller"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9:4711,10.1.2.3", "203.0.113.9"),
        ("::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "nobody", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, unknown, 10.1.2.3", "10.1.2.3"),
        ("203.0.113.1", "6.6.6.6", "203.0.113.1"),
        ("", "6.6.6.6", ""),
    ],
)
def test_the_caller_is_the_last_who_is_no_proxy_of_ours(
    proxy: str, forwarded_for: str, caller: str
) -> None:
    assert caller_behind(proxy, forwarded_for, TRUSTED) == caller


async def test_limits_count_callers_and_not_their_proxy() -> None:
    limits = Limits(max_sessions_per_ip=1)

    def through(address: str) -> connect:
        return connect(server.url, additional_headers={"X-Forwarded-For": address}, proxy=None)

    async with (
        voice_server(trusted_proxies=["127.0.0.1"], limits=limits) as server,
        through("203.0.113.1"),
        through("203.0.113.2"),
    ):
        seen = {each.client.remote_address[0] for each in server.sessions}
        assert seen == {"203.0.113.1", "203.0.113.2"}
        with pytest.raises(InvalidStatus, match="429"):
            await through("6.6.6.6, 203.0.113.2")


async def test_nobody_else_is_believed() -> None:
    async with voice_server(trusted_proxies=["192.0.2.1"]) as server:
        headers = {"X-Forwarded-For": "203.0.113.1"}
        async with connect(server.url, additional_headers=headers, proxy=None):
            (session,) = server.sessions
            assert session.client.remote_address[0] == "127.0.0.1"


async def test_what_asks_connect_is_known_by_its_own_address_too() -> None:
    asked: list[str] = []

    async def note(request: ConnectRequest) -> None:
        asked.append(request.remote_address)

    for trusted in (["127.0.0.1"], []):
        async with voice_server(trusted_proxies=trusted, connect_hook=note) as server:
            url = server.url.replace("ws", "http", 1)
            async with httpx.AsyncClient(trust_env=False) as browser:
                await browser.post(f"{url}/connect", headers={"X-Forwarded-For": "203.0.113.1"})
    assert asked == ["203.0.113.1", "127.0.0.1"]


async def test_one_address_has_its_share_of_the_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.transports.listener.is_loopback", lambda ip: False)
    settings = ListenerSettings(max_pending_handshakes_per_ip=3)
    async with listening(settings=settings) as (listener, _):
        async with AsyncExitStack() as peers:
            for _ in range(3):
                await peers.enter_async_context(raw_peer(listener))
            fourth = await peers.enter_async_context(raw_peer(listener))
            assert (await fourth.read_all()).startswith(b"HTTP/1.1 429 ")
        await until(lambda: listener.num_pending_handshakes == 0)
        async with connect(listener.url, proxy=None):
            pass


async def test_proxies_have_the_share_of_all_who_are_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.transports.listener.is_loopback", lambda ip: False)
    settings = ListenerSettings(
        max_pending_handshakes_per_ip=1, trusted_proxies=(ip_network("127.0.0.1"),)
    )
    async with (
        listening(settings=settings) as (listener, _),
        raw_peer(listener),
        raw_peer(listener),
        connect(listener.url, proxy=None),
    ):
        assert len(listener.connections) == 1
