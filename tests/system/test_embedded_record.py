"""The embedded bot, and a caller whose conversation another process has begun."""

import asyncio

import pytest

from tests.sessions.resuming import ResumingClient
from tests.transports.client import eventually
from voicewire import MemorySessionStore, SessionRecord, VoiceServer
from voicewire.bots import embedded
from voicewire.records.guarded import GuardedStore

pytestmark = [pytest.mark.local, pytest.mark.anyio, pytest.mark.timeout(60)]

PATIENCE_SECS = 30.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_it_goes_on_with_what_was_said_and_does_not_greet_again() -> None:
    store = MemorySessionStore()
    begun = [
        {"role": "assistant", "content": "Hello! How can I help you?"},
        {"role": "user", "content": "Nothing now."},
        {"role": "assistant", "content": "All right."},
    ]
    record = SessionRecord(session_id="s", subject=None, path="/", began_at=1.0, messages=begun)
    await GuardedStore(store).put("token", record.to_json(), expires_secs=60.0)
    params = embedded.transport_params.model_copy(update={"session_store": store})
    server = VoiceServer(embedded.bot, host="127.0.0.1", port=0, params=params)
    async with server:
        client = ResumingClient(server.url)
        client.token = "token"  # noqa: S105 - of a test
        await client.come_back()
        await eventually(lambda: client.of("bot-ready"), PATIENCE_SECS)
        await asyncio.sleep(0.5)
        assert not client.of("bot-llm-started")
        await client.ask("send-text", {"content": "Are you there?"})
        await eventually(lambda: client.of("bot-llm-started"), PATIENCE_SECS)
        now = server.sessions[0].transport.make_record()
        assert now is not None
        assert now.messages[:4] == [*begun, {"role": "user", "content": "Are you there?"}]
        assert (now.session_id, now.began_at) == ("s", 1.0)
        await client.__aexit__(None, None, None)
