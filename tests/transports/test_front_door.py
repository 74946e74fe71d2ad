import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from tests.transports.raw_peer import listening, raw_peer, until, upgrade
from voicewire.testing.clock import VirtualClock
from voicewire.transports.front_door import LINGER_SECS
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.listener import MAX_LINGERING_PER_IP
from voicewire.transports.settings import ListenerSettings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("request_bytes", "status", "word"),
    [
        (upgrade(without="Sec-WebSocket-Key"), 400, "Sec-WebSocket-Key"),
        (upgrade("/", "Sec-WebSocket-Version: 8", without="Sec-WebSocket-V"), 400, "Version"),
        (upgrade(method="POST"), 405, "Allow: GET"),
        (upgrade("/", "Origin: http://a", "Origin: http://a"), 400, "Origin"),
        (upgrade("/", "Host: b"), 400, "Host"),
        (upgrade(without="Host"), 400, "Host"),
        (upgrade("/", "Content-Length: 5"), 400, "malformed"),
        (upgrade("/?" + "a&" * 1000), 400, "target"),
        (upgrade("*"), 400, "target"),
        (upgrade("/" + "x" * 9000), 414, ""),
        (upgrade("/" + "x" * 20_000), 431, "16384"),
        (b"x" * 20_000, 431, "16384"),
        (upgrade("/", "Origin: https://evil.example"), 403, "evil.example"),
        (upgrade("/", "Origin: null"), 403, "null"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426, "Upgrade: websocket"),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
async def test_a_handshake_that_is_not_right_is_refused_with_a_reason(
    request_bytes: bytes, status: int, word: str
) -> None:
    async with listening() as (listener, visits), raw_peer(listener) as peer:
        code, said = await peer.answer(request_bytes)
        assert code == status
        assert word in said
        assert json.loads(said.partition("\r\n\r\n")[2])["detail"]
        assert visits.visits.empty()


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1", "https://localhost"]
)
async def test_a_local_page_may_connect_to_a_local_server(origin: str) -> None:
    async with listening() as (listener, _), raw_peer(listener) as peer:
        await peer.shake_hands(upgrade("/", f"Origin: {origin}"))


def page_of(host: str) -> bytes:
    """Return the handshake of a page that was loaded from `host`, for the same host."""
    return upgrade("/", f"Host: {host}", f"Origin: http://{host}", without="Host")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_name_that_was_rebound_to_loopback_does_not_let_its_page_in(host: str) -> None:
    async with listening(host=host) as (listener, visits):
        async with raw_peer(listener) as peer:
            status, said = await peer.answer(page_of(f"rebound.example:{listener.port}"))
            assert status == 403
            assert "name the page in allowed_origins" in said
            assert visits.visits.empty()
        async with raw_peer(listener) as peer:
            await peer.shake_hands(page_of(f"127.0.0.1:{listener.port}"))


async def test_a_proxy_on_the_same_machine_needs_the_page_to_be_named() -> None:
    settings = ListenerSettings(allowed_origins=["http://voice.example"])
    async with listening(settings=settings) as (listener, _), raw_peer(listener) as peer:
        await peer.shake_hands(page_of("voice.example"))


async def test_on_every_interface_any_name_may_be_the_servers() -> None:
    async with listening(host="0.0.0.0") as (listener, _), raw_peer(listener) as peer:  # noqa: S104
        await peer.shake_hands(page_of("voice.example"))


async def test_allowed_origins_are_let_in() -> None:
    settings = ListenerSettings(allowed_origins=["https://app.example"])
    async with listening(settings=settings) as (listener, _):
        async with raw_peer(listener) as peer:
            await peer.shake_hands(upgrade("/", "Origin: https://app.example"))
        async with raw_peer(listener) as peer:
            status, _ = await peer.answer(upgrade("/", "Origin: http://localhost"))
            assert status == 403


async def test_a_head_that_trickles_in_has_one_deadline() -> None:
    clock = VirtualClock()
    async with listening(clock=clock) as (listener, _), raw_peer(listener) as peer:
        peer.write(b"GET / HTTP/1.1\r\n")
        await until(lambda: listener.num_pending_handshakes == 1)
        for _ in range(9):
            clock.advance(1)
            peer.write(b"X-Slow: 1\r\n")
            await asyncio.sleep(0.001)
        assert listener.num_pending_handshakes == 1
        clock.advance(1)
        assert (await peer.read_head()).startswith("HTTP/1.1 408")


async def test_a_refused_peer_that_stays_is_dropped() -> None:
    clock = VirtualClock()
    async with listening(clock=clock) as (listener, _), raw_peer(listener) as peer:
        peer.write(upgrade(method="POST"))
        assert (await peer.read_head()).startswith("HTTP/1.1 405")
        peer.write(b"and more" * 10_000)
        await asyncio.sleep(0.01)
        assert (listener.num_pending_handshakes, len(listener._lingering)) == (0, 1)
        clock.advance(LINGER_SECS)
        await until(lambda: not listener._lingering)


async def test_the_refused_are_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.transports.listener.is_loopback", lambda ip: False)
    settings = ListenerSettings(max_pending_handshakes=20, max_pending_handshakes_per_ip=2)
    async with listening(settings=settings) as (listener, _), AsyncExitStack() as peers:
        for number in range(60):
            peer = await peers.enter_async_context(raw_peer(listener))
            if number >= 2:
                with suppress(ConnectionResetError):
                    assert (await peer.read_all())[:13] in (b"HTTP/1.1 429 ", b"")
        assert listener.num_pending_handshakes == 2
        assert len(listener._lingering) <= MAX_LINGERING_PER_IP


async def test_too_many_undecided_peers_are_refused_and_the_others_go_on() -> None:
    settings = ListenerSettings(max_pending_handshakes=1)
    async with listening(settings=settings) as (listener, visits), raw_peer(listener) as first:
        first.write(upgrade()[:10])
        await until(lambda: listener.num_pending_handshakes == 1)
        async with raw_peer(listener) as second:
            assert "503" in (await second.read_head()).split("\r\n")[0]
        first.write(upgrade()[10:])
        assert (await first.read_head()).startswith("HTTP/1.1 101")
        await visits.next()


async def test_a_peer_refused_for_the_crowd_may_not_stay_in_it() -> None:
    settings = ListenerSettings(max_pending_handshakes=1)
    # The clock stands still: no deadline clears the door.
    async with (
        listening(settings=settings, clock=VirtualClock()) as (listener, _),
        raw_peer(listener) as first,
    ):
        first.write(upgrade()[:10])
        await until(lambda: listener.num_pending_handshakes == 1)
        async with raw_peer(listener) as second:
            assert "503" in (await second.read_all()).decode().split("\r\n")[0]
            await until(lambda: listener.num_pending_handshakes == 1)


async def test_no_more_connections_than_the_limit_are_open() -> None:
    settings = ListenerSettings(max_connections=1)
    async with listening(settings=settings) as (listener, visits):
        async with raw_peer(listener) as first:
            await first.shake_hands()
            await visits.next()
            async with raw_peer(listener) as second:
                status, said = await second.answer(upgrade())
                assert (status, "Retry-After" in said) == (503, True)
        await until(lambda: not listener.connections)
        async with raw_peer(listener) as third:
            await third.shake_hands()


def at_once(answer: Rejection | None) -> Callable[[HandshakeRequest], Any]:
    return lambda _: answer


def later(answer: Rejection | None) -> Callable[[HandshakeRequest], Any]:
    async def admit(_: HandshakeRequest) -> Rejection | None:
        await asyncio.sleep(0)
        return answer

    return admit


@pytest.mark.parametrize("kind", [at_once, later])
async def test_admission_decides_before_the_answer(
    kind: Callable[[Rejection | None], Any],
) -> None:
    full = Rejection(503, "all lines are busy", {"Retry-After": "7"})
    async with listening(admit=kind(full)) as (listener, visits), raw_peer(listener) as peer:
        status, said = await peer.answer(upgrade())
        assert status == 503
        assert "Retry-After: 7\r\n" in said
        assert '{"detail": "all lines are busy"}' in said
        assert visits.visits.empty()
    async with listening(admit=kind(None)) as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands()
        await visits.next()


async def test_admission_sees_the_request() -> None:
    seen: list[HandshakeRequest] = []

    def admit(request: HandshakeRequest) -> None:
        seen.append(request)

    async with listening(admit=admit) as (listener, _), raw_peer(listener) as peer:
        await peer.shake_hands(upgrade("/v1?key=k", "Authorization: Bearer b"))
    assert (seen[0].path, seen[0].query) == ("/v1", {"key": "k"})
    assert seen[0].headers["authorization"] == "Bearer b"
    assert seen[0].remote_address[0] == "127.0.0.1"


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_admission_that_fails_is_a_500_and_the_next_caller_is_asked_again(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    def fail(_: HandshakeRequest) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("a bug")

    async def fail_later(request: HandshakeRequest) -> None:
        fail(request)

    async with listening(admit=fail_later if is_async else fail) as (listener, visits):
        async with raw_peer(listener) as peer:
            status, said = await peer.answer(upgrade())
            assert status == 500
            assert "a bug" not in said
        async with raw_peer(listener) as peer:
            await peer.shake_hands()
            await visits.next()
    assert "a bug" in caplog.text


class Thinking:
    """An admission that never comes to an end by itself."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.was_cancelled = asyncio.Event()

    async def __call__(self, _: HandshakeRequest) -> None:
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.was_cancelled.set()


async def test_an_admission_that_thinks_too_long_is_cancelled() -> None:
    clock = VirtualClock()
    admit = Thinking()
    async with (
        listening(clock=clock, admit=admit) as (listener, visits),
        raw_peer(listener) as peer,
    ):
        peer.write(upgrade())
        await admit.has_begun.wait()
        clock.advance(10)
        assert "503" in (await peer.read_head()).split("\r\n")[0]
        await admit.was_cancelled.wait()
        assert visits.visits.empty()


async def test_a_caller_that_gives_up_cancels_its_admission() -> None:
    admit = Thinking()
    async with listening(admit=admit) as (listener, visits):
        async with raw_peer(listener) as peer:
            peer.write(upgrade())
            await admit.has_begun.wait()
        await admit.was_cancelled.wait()
        await until(lambda: listener.num_pending_handshakes == 0)
        assert visits.visits.empty()


async def test_closing_the_listener_cancels_what_is_being_admitted() -> None:
    admit = Thinking()
    async with listening(admit=admit) as (listener, _), raw_peer(listener) as peer:
        peer.write(upgrade())
        await admit.has_begun.wait()
        await listener.close()
        assert admit.was_cancelled.is_set()
