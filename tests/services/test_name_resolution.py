"""Services whose host has no address for a while."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.services.fakes.openai_server import KEY as OPENAI_KEY
from tests.services.fakes.openai_server import FakeOpenAI
from tests.services.fakes.sockets import KEY, FakeCartesia, FakeDeepgram
from tests.services.rig import Rig, running
from tests.transports.client import eventually
from voicewire.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    LLMMessagesFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from voicewire.pipeline import Processor
from voicewire.services.cartesia import CartesiaTTSService
from voicewire.services.deepgram import DeepgramSTTService
from voicewire.services.openai import OpenAILLMService

pytestmark = pytest.mark.anyio

HOST = "vendor.example"
QUESTION = [{"role": "user", "content": "hello"}]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # It asks `socket`; uvloop asks the system.


class Names:
    """Knows the vendor's address, or not.

    Attributes:
        are_down: Whether names have no addresses.
        num_asked: How often the vendor's was asked for.
    """

    def __init__(self) -> None:
        self.are_down = True
        self.num_asked = 0
        self._resolve = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **options: Any) -> Any:
        if host not in (HOST, HOST.encode()):
            return self._resolve(host, *args, **options)
        self.num_asked += 1
        if self.are_down:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._resolve("127.0.0.1", *args, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


@asynccontextmanager
async def noting_errors(*services: Processor) -> AsyncIterator[tuple[Rig, list[str]]]:
    errors: list[str] = []
    async with running(*services) as rig:

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame.error)

        yield rig, errors


async def test_a_model_without_an_address_is_told_of_and_the_next_question_answered(
    names: Names, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewire.services.openai_client.MAX_RETRIES", 0)
    async with FakeOpenAI() as fake:
        url = fake.url.replace("127.0.0.1", HOST)
        llm = OpenAILLMService(model="tiny", base_url=url, api_key=OPENAI_KEY)
        async with noting_errors(llm) as (rig, errors):
            await rig.send(LLMMessagesFrame(QUESTION))
            await eventually(lambda: errors)
            names.are_down = False
            await rig.send(LLMMessagesFrame(QUESTION))
            await rig.wait_for(LLMTextFrame)
    assert len(errors) == 1
    assert OPENAI_KEY not in errors[0] + caplog.text


async def test_ears_without_an_address_are_told_of_once_and_hear_what_was_said_meanwhile(
    names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fake = FakeDeepgram()
    async with fake.serving():
        url = fake.url.replace("127.0.0.1", HOST)
        stt = DeepgramSTTService(api_key=KEY, base_url=url)
        async with noting_errors(stt) as (rig, errors):
            for _ in range(30):
                await rig.send(InputAudioRawFrame(b"\1" * 320, 16000, 1))
            await eventually(lambda: names.num_asked >= 2)
            names.are_down = False
            await rig.wait_for(InterimTranscriptionFrame, 3)
    assert len(errors) == 1
    assert "cannot be reached" in errors[0]
    assert KEY not in errors[0] + caplog.text


async def test_a_voice_without_an_address_speaks_when_it_has_one_again(names: Names) -> None:
    fake = FakeCartesia()
    async with fake.serving():
        url = fake.url.replace("127.0.0.1", HOST)
        tts = CartesiaTTSService(voice="anna", api_key=KEY, base_url=url)
        async with noting_errors(tts) as (rig, errors):
            await rig.send(TTSSpeakFrame("Hello there."))
            await eventually(lambda: names.num_asked >= 1)
            names.are_down = False
            await rig.wait_for(TTSAudioRawFrame)
    assert errors == []


async def test_a_voice_that_never_has_one_is_told_of_in_time(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewire.services.socket_tts.OPEN_DEADLINE_SECS", 0.3)
    tts = CartesiaTTSService(voice="anna", api_key=KEY, base_url=f"ws://{HOST}:1")
    async with noting_errors(tts) as (rig, errors):
        async with asyncio.timeout(5):
            await rig.send(TTSSpeakFrame("Hello there."))
            await eventually(lambda: errors)
    assert "cannot be reached" in errors[0]
