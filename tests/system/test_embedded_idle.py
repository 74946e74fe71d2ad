"""The embedded bot, and a caller who says nothing."""

import pytest

from voicewire.bots import embedded
from voicewire.sessions import VoiceServer
from voicewire.testing import SimulatedCaller

pytestmark = [pytest.mark.local, pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_it_asks_once_whether_a_silent_caller_is_still_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "IDLE_SECS", 1.0)
    server = VoiceServer(embedded.bot, host="127.0.0.1", port=0, params=embedded.transport_params)
    async with server, SimulatedCaller(server.url) as caller:
        greeted = await caller.wait_for("bot-stopped-speaking")
        asked = await caller.wait_for("bot-stopped-speaking", after=greeted.at_secs)
        assert caller.said_by_bot(after=greeted.at_secs) == "Are you still there?"
        assert asked.at_secs - greeted.at_secs > 1.0
        with pytest.raises(TimeoutError):
            await caller.wait_for("bot-started-speaking", after=asked.at_secs, within_secs=2.0)
