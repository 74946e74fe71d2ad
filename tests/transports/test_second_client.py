"""A client that comes while another one is there."""

import asyncio
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.transports.client import Caller, Echo, Served, eventually, serving
from tests.transports.fakes import ToneVAD, tone
from tests.transports.test_websocket_server import handshake
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.transports import websocket

pytestmark = pytest.mark.anyio

CONNECTED, DISCONNECTED = "connected", "disconnected"


async def test_a_new_client_replaces_the_old_one_in_order() -> None:
    async with serving(Echo()) as served, Caller(served.url) as old:
        await served.happened(CONNECTED, 0)
        async with Caller(served.url) as new:
            assert await old.closed() == (4001, "a newer client has taken your place")
            await served.happened(CONNECTED, 1)
            assert served.events == [(CONNECTED, 0), (DISCONNECTED, 0), (CONNECTED, 1)]
            await new.speak(tone(0.1))
            await new.heard(4700)
            assert served.heard.names(ClientConnectedFrame, ClientDisconnectedFrame) == [
                "ClientConnectedFrame",
                "ClientDisconnectedFrame",
                "ClientConnectedFrame",
            ]


async def test_of_three_clients_in_a_burst_the_last_one_stays() -> None:
    async with serving(Echo()) as served, Caller(served.url) as resident:
        await served.happened(CONNECTED, 0)
        burst = [Caller(served.url) for _ in range(3)]
        for caller in burst:  # Each is in before the one before it has been announced.
            await caller.__aenter__()
        for caller in (resident, *burst[:2]):
            assert (await caller.closed())[0] == 4001
        await burst[2].speak(tone(0.1))
        await burst[2].heard(4700)
        assert burst[2].close_code is None
        names = [name for name, _ in served.events]
        assert names == [CONNECTED, DISCONNECTED] * (len(names) // 2) + [CONNECTED]
        assert served.transport.stats.clients <= 4
        for caller in burst:
            await caller.__aexit__(None, None, None)


async def test_a_new_client_waits_for_a_slow_handler_of_the_old_ones_leaving() -> None:
    go_on = asyncio.Event()

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_disconnected")
        async def slow(transport: object, client: object) -> None:
            await go_on.wait()
            served.events.append(("handled", 0))

    async with serving(Echo(), prepare=prepare) as served:
        async with Caller(served.url):
            await served.happened(CONNECTED, 0)
        await served.happened(DISCONNECTED, 0)
        async with Caller(served.url) as new:
            await new.speak(tone(0.1))
            await asyncio.sleep(0.1)
            assert (CONNECTED, 1) not in served.events
            assert new.close_code is None
            go_on.set()
            await new.heard(4700)  # What it said meanwhile is not lost.
        names = [name for name, _ in served.events][:4]
        assert names == [CONNECTED, DISCONNECTED, "handled", CONNECTED]


async def test_a_client_that_leaves_while_it_waits_for_its_place_is_no_error() -> None:
    go_on = asyncio.Event()

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_disconnected")
        async def slow(transport: object, client: object) -> None:
            await go_on.wait()

    async with serving(Echo(), prepare=prepare) as served:
        async with Caller(served.url):
            await served.happened(CONNECTED, 0)
        await served.happened(DISCONNECTED, 0)
        async with Caller(served.url) as impatient:
            leaving = asyncio.create_task(impatient.socket.close())
            await asyncio.sleep(0.05)
            go_on.set()
            await leaving
        async with Caller(served.url) as patient:
            await patient.speak(tone(0.1))
            await patient.heard(4700)


async def test_a_ghost_does_not_keep_its_place_for_long() -> None:
    async with serving(Echo()) as served:
        ghost = await asyncio.open_connection("127.0.0.1", served.transport.port)
        await handshake(*ghost)  # From now on it neither reads nor answers.
        await served.happened(CONNECTED, 0)
        began = time.monotonic()
        async with Caller(served.url):
            await served.happened(CONNECTED, 1)
            assert time.monotonic() - began < 2.0
        assert served.events[:3] == [(CONNECTED, 0), (DISCONNECTED, 0), (CONNECTED, 1)]
        ghost[1].close()


async def test_with_reject_the_old_client_stays() -> None:
    async with serving(Echo(), on_second_client="reject") as served:
        async with Caller(served.url) as old:
            await served.happened(CONNECTED, 0)
            with pytest.raises(InvalidStatus) as refusal:
                await connect(served.url, proxy=None)
            response = refusal.value.response
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "5"
            assert b"another client is connected" in (response.body or b"")
            await old.speak(tone(0.1))
            await old.heard(4700)
            assert served.events == [(CONNECTED, 0)]
        await served.happened(DISCONNECTED, 0)
        async with Caller(served.url) as new:
            await new.speak(tone(0.1))
            await new.heard(4700)


async def test_with_reject_only_one_of_a_burst_gets_in() -> None:
    async with serving(Echo(), on_second_client="reject") as served:
        results = await asyncio.gather(
            *(connect(served.url, proxy=None) for _ in range(8)), return_exceptions=True
        )
        await eventually(lambda: served.events)
        sockets = [result for result in results if not isinstance(result, BaseException)]
        await asyncio.sleep(0.1)
        assert sum(socket.close_code is None for socket in sockets) == 1
        assert {socket.close_code for socket in sockets} <= {None, 1013}
        assert served.transport.stats.clients == 1
        for socket in sockets:
            await socket.close()


@pytest.mark.parametrize("event", ["on_client_connected", "on_client_disconnected"])
async def test_a_handler_that_hangs_does_not_keep_the_next_client_out(
    event: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(websocket, "HANDLERS_SECS", 0.05)
    num_calls = 0

    def hang_the_first_time(served: Served) -> None:
        @served.transport.event_handler(event)
        async def hang(transport: object, client: object) -> None:
            nonlocal num_calls
            num_calls += 1
            if num_calls == 1:
                await asyncio.Event().wait()

    async with serving(Echo(), prepare=hang_the_first_time) as served:
        async with Caller(served.url):
            await served.happened("connected", 0)
        async with Caller(served.url) as second:
            await served.happened("connected", 1)
            await second.speak(tone(0.2))
            await second.heard()
        await served.happened("disconnected", 1)
    assert ("disconnected", 0) in served.events
    assert f"a handler of {event} was cancelled" in caplog.text


async def test_a_caller_who_leaves_in_mid_sentence_has_stopped_speaking() -> None:
    async with serving(vad_analyzer=ToneVAD()) as served:
        async with Caller(served.url) as caller:
            await caller.speak(tone(0.6))
            await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
        await served.happened("disconnected", 0)
    names = served.heard.names(
        UserStoppedSpeakingFrame, VADUserStoppedSpeakingFrame, ClientDisconnectedFrame
    )
    assert names == ["UserStoppedSpeakingFrame", "ClientDisconnectedFrame"]
