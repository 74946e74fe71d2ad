"""The example that needs Deepgram and a voice, with a real caller and the vendors' fakes."""

from typing import Any

import pytest

from tests.compat.plain_client import load_frame_class, read_speech
from tests.conftest import DATA
from tests.services.fakes import openai_server
from tests.services.fakes.openai_server import FakeOpenAI, words
from tests.services.fakes.sockets import (
    KEY,
    FakeCartesia,
    FakeDeepgram,
    FakeElevenLabs,
    FakeVoice,
)
from tests.services.test_http_examples import example

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("voice", "name"), [(FakeCartesia, "CARTESIA"), (FakeElevenLabs, "ELEVENLABS")]
)
async def test_vendors_bot_greets_listens_and_answers(
    voice: type[FakeVoice],
    name: str,
    free_tcp_port: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    ears, mouth = FakeDeepgram(), voice()
    question = read_speech(DATA / "speech/sense_0880.wav")
    async with FakeOpenAI() as mind, ears.serving(), mouth.serving():
        mind.deltas = [words("Good ", "day."), words("It is ", "on its way.")]
        for variable, value in {
            "OPENAI_BASE_URL": mind.url,
            "OPENAI_API_KEY": openai_server.KEY,
            "DEEPGRAM_URL": ears.url,
            "DEEPGRAM_API_KEY": KEY,
            f"{name}_URL": mouth.url,
            f"{name}_API_KEY": KEY,
            f"{name}_VOICE": "anna",
        }.items():
            monkeypatch.setenv(variable, value)
        frame_class = load_frame_class(tmp_path)
        async with example("vendors_bot.py", free_tcp_port, frame_class) as client:
            assert await client.listen()
            client.say(question)
            assert await client.listen()
        asked = [each.json for each in mind.requests if each.path == "/v1/chat/completions"]
    assert asked[1]["messages"][1]["content"] in ("Good", "Good day."), "as far as it was heard"
    assert asked[1]["messages"][2]["role"] == "user"
    assert asked[1]["messages"][2]["content"].startswith("w1 w2")
