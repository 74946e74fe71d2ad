"""The examples that need a vendor, each with a real caller and the vendor's fake."""

import asyncio
import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.compat.canned import loudest_hz, tone
from tests.compat.plain_client import (
    PlainClient,
    call,
    join_audio,
    load_frame_class,
    read_speech,
)
from tests.conftest import DATA
from tests.services.fakes import anthropic_server, openai_server
from tests.services.fakes.anthropic_server import FakeAnthropic
from tests.services.fakes.openai_server import FakeOpenAI, call_part, read_upload, words
from tests.services.test_mcp import http_program
from voicewire.services.openai import TTS_SAMPLE_RATE

EXAMPLES = Path(__file__).parents[2] / "examples"
PITCH_HZ = 660

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def frame_class(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_frame_class(tmp_path_factory.mktemp("proto"))


@pytest.fixture
def question() -> bytes:
    return read_speech(DATA / "speech/sense_0880.wav")


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        pcm = tone(PITCH_HZ, 0.5, TTS_SAMPLE_RATE)
        server.audio = [pcm[:4801], pcm[4801:]]
        server.transcripts = ["where is my order"]
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
        yield server


@asynccontextmanager
async def example(name: str, port: int, frame_class: Any) -> AsyncIterator[PlainClient]:
    """Run an example, and call it."""
    main = runpy.run_path(str(EXAMPLES / name), run_name="example")["main"]
    server = asyncio.ensure_future(main(port))
    try:
        async with call(f"ws://127.0.0.1:{port}", frame_class) as client:
            yield client
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


def hears_the_voice(audio: list[Any]) -> bool:
    return loudest_hz(join_audio(audio), TTS_SAMPLE_RATE) == pytest.approx(PITCH_HZ, abs=3)


def asked(fake: FakeOpenAI, path: str) -> list[Any]:
    return [request for request in fake.requests if request.path == path]


def said(fake: FakeOpenAI) -> list[str]:
    return [request.json["input"] for request in asked(fake, "/v1/audio/speech")]


async def test_openai_bot_greets_listens_and_answers(
    fake: FakeOpenAI, frame_class: Any, free_tcp_port: int, question: bytes
) -> None:
    fake.deltas = [words("Good ", "day."), words("It is ", "on its way.")]
    async with example("openai_bot.py", free_tcp_port, frame_class) as client:
        assert hears_the_voice(await client.listen())
        client.say(question)
        assert hears_the_voice(await client.listen())

    assert said(fake) == ["Good day.", "It is on its way."]
    greeting, answer = (each.json for each in asked(fake, "/v1/chat/completions"))
    assert [message["role"] for message in greeting["messages"]] == ["system"]
    assert answer["messages"][1:] == [
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "where is my order"},
    ]
    recording = read_upload(asked(fake, "/v1/audio/transcriptions")[-1]).recording
    assert len(recording) > len(question) / 2


async def test_anthropic_bot_greets_listens_and_answers(
    fake: FakeOpenAI,
    frame_class: Any,
    free_tcp_port: int,
    question: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeAnthropic() as claude:
        claude.answers = [["Good day."], ["It is ", "on its way."]]
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", anthropic_server.KEY)
        async with example("anthropic_bot.py", free_tcp_port, frame_class) as client:
            assert hears_the_voice(await client.listen())
            client.say(question)
            assert hears_the_voice(await client.listen())

    assert said(fake) == ["Good day.", "It is on its way."]
    roles = [message["role"] for message in claude.requests[1].json["messages"]]
    assert roles == ["user", "assistant", "user"]


async def test_tools_bot_looks_up_an_order_and_says_that_it_does(
    fake: FakeOpenAI, frame_class: Any, free_tcp_port: int, question: bytes
) -> None:
    fake.deltas = [
        words("Good day."),
        [call_part(0, '{"number": 17}', id="a", name="find_order")],
        words("It is on its way."),
    ]
    async with example("tools_bot.py", free_tcp_port, frame_class) as client:
        assert hears_the_voice(await client.listen())
        client.say(question)
        audio = await client.listen()
        if len(join_audio(audio)) < 2 * len(b"".join(fake.audio)):  # A pause parts the two.
            audio += await client.listen()
        assert hears_the_voice(audio)

    assert said(fake) == ["Good day.", "One moment, I am looking that up.", "It is on its way."]
    *_, looked_up = asked(fake, "/v1/chat/completions")
    assert "Darjeeling" in looked_up.json["messages"][-1]["content"]


async def test_tools_bot_offers_what_an_mcp_server_has(
    fake: FakeOpenAI,
    frame_class: Any,
    free_tcp_port_factory: Any,
    question: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_tcp_port_factory()
    monkeypatch.setenv("MCP_URL", f"http://127.0.0.1:{port}/mcp")
    fake.deltas = [
        words("Good day."),
        [call_part(0, '{"word": "tea"}', id="a", name="shop_find")],
        words("There is tea."),
    ]
    async with (
        http_program(port),
        example("tools_bot.py", free_tcp_port_factory(), frame_class) as client,
    ):
        await client.listen()
        client.say(question)
        assert hears_the_voice(await client.listen())

    *_, looked_up = asked(fake, "/v1/chat/completions")
    assert looked_up.json["messages"][-1]["content"] == "tea 1\ntea 2"
    offered = {each["function"]["name"] for each in looked_up.json["tools"]}
    assert {"tell_time", "find_order", "shop_find", "area"} <= offered
