"""A client that comes back reaches another worker than the one it left: real processes."""

import asyncio
import os
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.records.valkey import valkey
from tests.sessions.programs import (
    PATIENCE_SECS,
    Program,
    call,
    call_each_worker,
    is_alive,
    program,
)
from tests.sessions.resuming import PACKET, ResumingClient
from tests.transports.client import audio_message, eventually
from tests.transports.fakes import tone

pytestmark = pytest.mark.anyio

CLOSE_NOT_RESUMABLE = 4004


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def started(server: Program, *, besides: set[int] | None = None) -> set[int]:
    """Return the processes that let callers in, when there are two others than `besides`."""
    old = besides or set()
    seen: set[int] = set()
    async with asyncio.timeout(PATIENCE_SECS):
        while len(seen - old) < 2:
            socket, pid = await call(server.url)
            seen.add(pid)
            await socket.close()
    return seen - old


async def say_more(client: ResumingClient, num_packets: int) -> None:
    """Go on to count."""
    num_said = sum(len(each) > 2 * PACKET for each in client.sent)
    await client.speak(num_said * PACKET, num_packets)


async def test_a_client_finds_its_session_whichever_worker_it_reaches_also_after_a_reload() -> None:
    async with program(workers=2) as server:
        old = await started(server)
        async with ResumingClient(server.url) as client:
            owner = int(client.texts[0])
            await say_more(client, 10)
            for _ in range(5):
                client.lose_connection()
                await say_more(client, 4)
                await client.come_back()
                assert client.close_code is None
                await say_more(client, 4)

            server.tell(signal.SIGHUP)
            await started(server, besides=old)
            assert is_alive(owner)  # It listens no more.
            for _ in range(2):
                client.lose_connection()
                await client.come_back()
                await say_more(client, 4)

            await eventually(lambda: len(client.bot_audio) == 58 * PACKET)
            assert client.bot_audio == list(range(58 * PACKET))
            assert client.texts == [str(owner)]
        await eventually(lambda: not is_alive(owner), PATIENCE_SECS)


async def test_who_comes_back_wrongly_harms_nobody_and_to_the_dead_nobody_comes_back() -> None:
    async with program(workers=2) as server:
        await started(server)
        callers = await call_each_worker(server.url, 2)

        async def intrude(query: str) -> int | None:
            socket = await connect(f"{server.url}/?{query}", compression=None, proxy=None)
            await socket.wait_closed()
            return socket.close_code

        async with ResumingClient(server.url) as client:
            forged = client.token[:-1] + ("A" if client.token[-1] != "A" else "B")
            queries = [
                f"resume={client.token}&received=999999",
                f"resume={client.token}&received=x",
                f"resume={forged}&received=0",
                "resume=AAAA&received=0",
            ]
            codes = await asyncio.gather(*(intrude(each) for each in queries * 15))
            assert set(codes) == {CLOSE_NOT_RESUMABLE}
            for socket in callers.values():
                await socket.send(audio_message(tone(0.04)))
                assert await asyncio.wait_for(socket.recv(), PATIENCE_SECS)
            client.lose_connection()
            await client.come_back()
            await say_more(client, 4)
            await eventually(lambda: len(client.bot_audio) == 4 * PACKET)

            os.kill(int(client.texts[0]), signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_SECS):
                while client.close_code != CLOSE_NOT_RESUMABLE:
                    try:
                        client.socket = None
                        await client.come_back()
                    except (OSError, InvalidHandshake, ConnectionClosed):
                        await asyncio.sleep(0.02)
        for socket in callers.values():
            await socket.close()


async def test_a_conversation_outlives_its_worker_and_its_server() -> None:
    def notes(client: ResumingClient) -> list[str]:
        told = client.of("server-message")
        return told[-1]["data"]["notes"] if told else []

    async def come_back(client: ResumingClient, num_renewals: int) -> None:
        async with asyncio.timeout(PATIENCE_SECS):
            while client.num_renewals < num_renewals:
                client.socket = None
                try:
                    await client.come_back()
                except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                    await asyncio.sleep(0.02)

    async def note(client: ResumingClient, text: str) -> None:
        await client.ask("client-message", {"t": "note", "d": text})
        await eventually(lambda: notes(client)[-1:] == [text])

    with valkey() as store:
        async with program(workers=2, store=store.url) as server:
            client = ResumingClient(server.url)
            await client.__aenter__()
            await note(client, "the first")
            await asyncio.sleep(1.2)  # It is kept once a second.
            client.sent.clear()  # As if it had been acknowledged.
            os.kill(client.of("server-message")[-1]["data"]["pid"], signal.SIGKILL)
            await come_back(client, 1)
            await note(client, "the second")
            assert notes(client) == ["the first", "the second"]
            server.tell(signal.SIGTERM)
            code, _ = await server.ended()
            assert code == 0
        client.sent.clear()
        async with program(workers=1, store=store.url) as server:
            client.url = server.url
            await come_back(client, 2)
            await note(client, "the third")
            assert notes(client) == ["the first", "the second", "the third"]
            await client.__aexit__(None, None, None)
