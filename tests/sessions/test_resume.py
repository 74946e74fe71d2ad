"""A client that loses its connection and comes back, over real sockets."""

import asyncio
from asyncio import StreamReader
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.sessions.counting import Bots, counting
from tests.sessions.resuming import PACKET, RATE, ResumingClient
from tests.sessions.serving import voice_server
from tests.transports.client import eventually
from tests.transports.raw_peer import upgrade
from voicewire import Identity, StaticTokens
from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.sessions import Limits, SessionTransport

pytestmark = pytest.mark.anyio

KEYS = {"ada": "ada-0123456789-0123456789", "bob": "bob-0123456789-0123456789"}


async def test_what_both_say_during_a_loss_is_heard_once_and_in_order() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        bots.counter.say(3.0)
        await client.speak(0, 20)
        for _ in range(3):
            before = len(client.sent)
            client.lose_connection()
            await client.speak(len(bots_said(client)) * PACKET, 10)
            assert len(client.sent) == before + 10
            await asyncio.sleep(0.2)
            await client.come_back()
            await client.speak(len(bots_said(client)) * PACKET, 5)
        num_said = len(bots_said(client)) * PACKET
        await eventually(lambda: len(bots.heard_samples()) == num_said)
        assert bots.heard_samples() == list(range(num_said))
        await eventually(lambda: len(client.bot_audio) == 3 * RATE)
        assert client.bot_audio == counting(3 * RATE)
        assert (bots.num_called, len(server.sessions)) == (1, 1)


def bots_said(client: ResumingClient) -> list[bytes]:
    """Return the client's audio messages."""
    return [each for each in client.sent if proto.Frame.FromString(each).HasField("audio")]


async def test_acknowledged_messages_are_forgotten_and_not_repeated() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        bots.counter.say(1.0)
        await eventually(lambda: len(client.bot_audio) > RATE // 2)
        await client.ask("vw-ping", {"sent_at": 1.0, "received": client.num_received})
        await eventually(lambda: client.of("vw-pong"))
        (pong,) = client.of("vw-pong")
        assert pong["data"]["received"] == len(client.sent)
        client.lose_connection()
        await client.come_back()
        await eventually(lambda: len(client.bot_audio) == RATE)
        assert client.bot_audio == counting(RATE)


async def test_a_stale_connection_is_fenced_when_the_client_is_back() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        stale = client.socket
        assert stale is not None
        client.socket = None  # The client gives it up; the server knows nothing of that.
        await client.come_back()
        await client.speak(0, 5)
        await eventually(lambda: len(bots.heard_samples()) == 5 * PACKET)
        await stale.wait_closed()
        assert stale.close_code == 1006
        assert bots.heard_samples() == list(range(5 * PACKET))


async def test_a_token_is_good_for_one_return() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        first = client.token
        client.lose_connection()
        await client.come_back()
        assert client.token != first
        await client.ask("vw-ping", {"sent_at": 1.0, "received": client.num_received})
        await eventually(lambda: client.of("vw-pong"))
        thief = await connect(f"{server.url}/?resume={first}&received=0", proxy=None)
        with pytest.raises(ConnectionClosed) as refused:
            await thief.recv()
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 4004
        await client.speak(0, 2)
        await eventually(lambda: len(bots.heard_samples()) == 2 * PACKET)


async def test_a_token_that_was_lost_on_its_way_leaves_the_old_one_good() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        first = client.token
        client.lose_connection()
        await client.come_back()
        client.lose_connection()
        await client.come_back(token=first)
        await client.speak(0, 2)
        await eventually(lambda: len(bots.heard_samples()) == 2 * PACKET)


async def test_nobody_goes_on_with_the_session_of_somebody_else() -> None:
    bots = Bots()
    tokens = StaticTokens(KEYS)
    async with (
        voice_server(bots, authenticate=tokens) as server,
        ResumingClient(server.url, shows=KEYS["ada"]) as client,
    ):
        client.lose_connection()
        target = f"{server.url}/?resume={client.token}&received=0"
        bob = {"Authorization": f"Bearer {KEYS['bob']}"}
        socket = await connect(target, additional_headers=bob, proxy=None)
        with pytest.raises(ConnectionClosed) as refused:
            await socket.recv()
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 4004
        with pytest.raises(InvalidStatus) as nobody:
            await connect(target, proxy=None)
        assert nobody.value.response.status_code == 401
        await client.come_back()
        await client.speak(0, 2)
        await eventually(lambda: len(bots.heard_samples()) == 2 * PACKET)
        assert bots.transport is not None
        assert bots.transport.client.identity == Identity("ada")


@pytest.mark.parametrize("query", ["resume=&received=0", "resume=nobody&received=0"])
async def test_who_has_no_token_is_told_to_connect_anew(query: str) -> None:
    async with voice_server(Bots()) as server:
        socket = await connect(f"{server.url}/?{query}", proxy=None)
        with pytest.raises(ConnectionClosed) as refused:
            await socket.recv()
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 4004
        assert server.sessions == ()


async def test_who_comes_back_to_nothing_has_no_more_places_than_callers_have() -> None:
    limits = Limits(max_sessions=3)
    async with (
        voice_server(Bots(), limits=limits) as server,
        ResumingClient(server.url) as client,
        AsyncExitStack() as strangers,
    ):

        async def connect_silently() -> StreamReader:
            """Show a token that nobody has issued, and never answer the goodbye."""
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            strangers.callback(lambda: writer.transport.abort())
            writer.write(upgrade(f"/?resume={'x' * 32}&received=0"))
            return reader

        readers = [await connect_silently() for _ in range(2)]
        heads = [await each.readuntil(b"\r\n") for each in readers]
        assert [b" 101 " in each for each in heads] == [True, True]
        for _ in range(5):
            assert b" 503 " in await (await connect_silently()).readuntil(b"\r\n")
        for received in ("99999", "x"):  # Nor has who has a token, and does not mean it.
            target = f"{server.url}/?resume={client.token}&received={received}"
            with pytest.raises(ConnectionClosed):
                await (await connect(target, proxy=None)).recv()
        await client.speak(0, 2)
        assert len(server.sessions) == 1
    assert server._registry._places.occupied("127.0.0.1") == (0, 0)


async def test_a_server_that_stops_lets_nobody_in_who_comes_back_to_nothing() -> None:
    release = asyncio.Event()

    async def bot(transport: SessionTransport) -> None:
        await release.wait()

    async with voice_server(bot) as server, connect(server.url, proxy=None):
        stopping = asyncio.create_task(server.stop(drain_secs=5.0))
        await asyncio.sleep(0.05)
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"{server.url}/?resume=nobody&received=0", proxy=None)
        release.set()
        await stopping


async def test_the_token_that_was_shown_stays_good_until_the_next_one_has_come() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        first = client.token
        for _ in range(3):  # And none of the answers arrives.
            socket = await connect(f"{server.url}/?resume={first}&received=0", proxy=None)
            socket.transport.abort()
        client.lose_connection()
        await client.come_back(token=first)
        await client.speak(0, 2)
        await eventually(lambda: len(bots.heard_samples()) == 2 * PACKET)
        assert bots.num_called == 1


async def test_a_ping_from_before_a_loss_is_no_fault() -> None:
    async with voice_server(Bots()) as server, ResumingClient(server.url) as client:
        for _ in range(3):
            await client.ask("vw-ping", {"sent_at": 1.0, "received": client.num_received})
            await asyncio.sleep(0.02)
        client.lose_connection()
        await client.come_back()
        client.sent = client.sent[:]  # All of it is repeated that has not been acknowledged.
        await client.ask("vw-ping", {"sent_at": 1.0, "received": 1})
        await eventually(lambda: len(client.of("vw-pong")) == 4)
        assert client.of("error-response") == []


@pytest.mark.parametrize("received", ["", "-1", "x", "999999", "9" * 40])
async def test_a_client_that_cannot_have_got_so_much_is_refused(received: str) -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        url = f"{server.url}/?resume={client.token}&received={received}"
        socket = await connect(url, proxy=None)
        with pytest.raises(ConnectionClosed) as refused:
            await socket.recv()
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 4004
        await client.speak(0, 2)  # Whoever that was, this one is not disturbed.
        await eventually(lambda: len(bots.heard_samples()) == 2 * PACKET)


async def test_nobody_who_does_not_come_back_is_waited_for_longer_than_the_window() -> None:
    bots = Bots()
    async with (
        voice_server(bots, resume_window_secs=0.3) as server,
        ResumingClient(server.url) as client,
    ):
        client.lose_connection()
        await asyncio.sleep(0.15)
        assert len(server.sessions) == 1
        await eventually(lambda: server.sessions == ())
        assert bots.num_over == 1
        await client.come_back()
        assert client.close_code == 4004


async def test_without_a_window_a_lost_connection_ends_the_session() -> None:
    bots = Bots()
    async with voice_server(bots, resume_window_secs=0.0) as server:
        async with connect(server.url, proxy=None) as socket:
            await eventually(lambda: bots.num_called)
            socket.transport.abort()
        await eventually(lambda: server.sessions == ())


async def test_who_says_goodbye_is_not_waited_for() -> None:
    bots = Bots()
    async with voice_server(bots) as server:
        async with ResumingClient(server.url) as client:
            token = client.token
        await eventually(lambda: server.sessions == ())
        assert server._registry.returns.tokens.find(token) is None
        assert len(server._registry.returns.tokens) == 0


async def test_a_server_that_stops_ends_the_sessions_that_wait() -> None:
    bots = Bots()
    async with voice_server(bots) as server, ResumingClient(server.url) as client:
        client.lose_connection()
        await asyncio.sleep(0.1)
    assert bots.num_over == 1


async def test_a_session_that_waits_keeps_its_place_and_needs_no_second_one() -> None:
    bots = Bots()
    async with (
        voice_server(bots, limits=Limits(max_sessions=1)) as server,
        ResumingClient(server.url) as client,
    ):
        client.lose_connection()
        await asyncio.sleep(0.1)
        with pytest.raises(InvalidStatus, match="503"):
            await connect(server.url, proxy=None)
        await client.come_back()
        await client.speak(0, 2)
        await eventually(lambda: len(bots.heard_samples()) == 2 * PACKET)
