"""Voices over WebSockets, against servers that keep to the vendors' protocols."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest

from tests.services.fakes.sockets import KEY, FakeCartesia, FakeElevenLabs, FakeVoice
from tests.services.rig import Rig, running
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    ErrorFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSSentenceFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
)
from voicewire.services.cartesia import CartesiaTTSService
from voicewire.services.elevenlabs import ElevenLabsTTSService
from voicewire.services.tts import TTSService

pytestmark = pytest.mark.anyio

Make = Callable[..., TTSService]
VENDORS = [(FakeCartesia, CartesiaTTSService), (FakeElevenLabs, ElevenLabsTTSService)]


@asynccontextmanager
async def speaking(
    fake: FakeVoice, make: Make, **options: Any
) -> AsyncIterator[tuple[Rig, list[ErrorFrame]]]:
    errors: list[ErrorFrame] = []
    async with fake.serving():
        service = make(**{"voice": "anna", "api_key": KEY, "base_url": fake.url, **options})
        async with running(service) as rig:

            @rig.task.event_handler("on_pipeline_error")
            async def on_error(task: object, frame: ErrorFrame) -> None:
                errors.append(frame)

            yield rig, errors


async def say(rig: Rig, text: str) -> None:
    count = len(rig.all_of(TTSStoppedFrame)) + 1
    await rig.send(TTSSpeakFrame(text))
    await rig.wait_for(TTSStoppedFrame, count)


def secs(rig: Rig) -> float:
    return round(sum(frame.duration_secs for frame in rig.all_of(TTSAudioRawFrame)), 3)


@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_sentences_are_spoken_over_one_connection_with_the_times_of_their_words(
    fake: type[FakeVoice], make: Make
) -> None:
    server = fake()
    async with speaking(server, make) as (rig, errors):
        await say(rig, "One two three. Four five.")
        first, second = rig.all_of(TTSSentenceFrame)
        assert secs(rig) == 0.5
        assert [word.word for word in first.words] == ["One", "two", "three."]
        assert first.words[1].start_secs == pytest.approx(0.1)
        assert first.words[1].end_secs == pytest.approx(0.2, abs=0.03)
        assert second.is_complete
        assert [frame.text for frame in rig.all_of(TTSTextFrame)] == [
            "One two three.",
            "Four five.",
        ]
    assert errors == []
    assert len(server.requests) == 1
    assert server.num_open == 0


@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_an_interruption_cancels_the_sentence_and_nothing_of_it_comes_later(
    fake: type[FakeVoice], make: Make
) -> None:
    server = fake()
    server.may_answer.clear()
    async with speaking(server, make) as (rig, errors):
        await rig.send(TTSSpeakFrame("Never heard by anybody."))
        await rig.wait_for(TTSSentenceFrame)
        asked = await server.happened("context_id", await an_id(server))
        await rig.send(InterruptionFrame())
        if isinstance(server, FakeCartesia):
            assert (await server.happened("cancel"))["context_id"] == asked["context_id"]
        server.may_answer.set()
        await say(rig, "Heard.")
        assert secs(rig) == 0.1
    assert errors == []


async def an_id(server: FakeVoice) -> str:
    async with asyncio.timeout(5):
        while not server.asked:
            server.news.clear()
            await server.news.wait()
    return str(server.asked[0]["context_id"])


@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_a_sentence_that_loses_its_connection_before_it_is_heard_is_asked_for_again(
    fake: type[FakeVoice], make: Make
) -> None:
    server = fake()
    server.drops_after = 0
    async with speaking(server, make) as (rig, errors):
        await say(rig, "One two.")
        assert secs(rig) == 0.2
    assert errors == []
    assert len(server.requests) == 2


@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_one_that_loses_it_in_mid_sentence_is_told_of_and_the_next_is_spoken(
    fake: type[FakeVoice], make: Make
) -> None:
    server = fake()
    server.drops_after = 3
    async with speaking(server, make) as (rig, errors):
        await rig.send(TTSSpeakFrame("One two three four five six."))
        await rig.wait_until(lambda: secs(rig) > 0)
        await rig.send(TTSSpeakFrame("Again."))
        await rig.wait_for(TTSTextFrame)
    assert rig.all_of(TTSTextFrame)[0].text == "Again."
    assert "lost in mid-sentence" in errors[0].error


@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_garbage_is_one_line_in_the_log(
    fake: type[FakeVoice], make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server = fake()
    server.garbage = ['{"type": "chu', "[]", '{"type": "chunk", "contextId": 5, "audio": "#"}']
    with caplog.at_level(logging.WARNING):
        async with speaking(server, make) as (rig, errors):
            await say(rig, "One.")
            assert secs(rig) == 0.1
    assert errors == []
    assert sum("not understood" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(
    "status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY]
)
@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_a_refused_connection_is_told_of_without_the_key(
    fake: type[FakeVoice],
    make: Make,
    status: HTTPStatus,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.services.socket_tts.OPEN_DEADLINE_SECS", 0.1)
    server = fake()
    server.status = status
    with caplog.at_level(logging.DEBUG):
        async with speaking(server, make) as (rig, errors):
            await rig.send(TTSSpeakFrame("Hello."))
            async with asyncio.timeout(5):
                while not errors:  # noqa: ASYNC110 - the handler is a task of the pipeline
                    await asyncio.sleep(0.01)
            server.status = None
            await say(rig, "Hello again.")
    assert f"HTTP status {status.value}" in errors[0].error
    assert KEY not in errors[0].error
    ours = [r for r in caplog.records if r.name.startswith("voicewire")]
    assert KEY not in "".join(f"{r.getMessage()}{r.exc_text}" for r in ours)


async def test_a_vendors_error_is_told_of_without_the_key() -> None:
    async with speaking(FakeCartesia(), CartesiaTTSService, voice="") as (rig, errors):
        await rig.send(TTSSpeakFrame("Hello."), TTSUpdateSettingsFrame({"voice": "anna"}))
        await say(rig, "Hello again.")
        assert secs(rig) == 0.2
    assert "no such voice, for …" in errors[0].error


@pytest.mark.parametrize(("fake", "make"), VENDORS)
async def test_the_next_caller_has_a_connection_of_their_own(
    fake: type[FakeVoice], make: Make
) -> None:
    server = fake()
    async with speaking(server, make) as (rig, errors):
        await say(rig, "One.")
        await rig.send(ClientDisconnectedFrame(), ClientConnectedFrame())
        async with asyncio.timeout(5):
            while server.num_open:
                server.news.clear()
                await server.news.wait()
        await say(rig, "Two.")
    assert errors == []
    assert len(server.requests) == 2


async def test_cartesia_takes_new_settings_with_the_next_sentence() -> None:
    server = FakeCartesia()
    async with speaking(server, CartesiaTTSService) as (rig, _):
        await say(rig, "One.")
        await rig.send(TTSUpdateSettingsFrame({"voice": "bert", "speed": 1.2}))
        await say(rig, "Two.")
    assert [each["voice"]["id"] for each in server.asked] == ["anna", "bert"]
    assert server.asked[1]["generation_config"] == {"speed": 1.2}
    assert server.asked[0]["output_format"]["sample_rate"] == 24000


async def test_elevenlabs_opens_another_connection_for_another_voice() -> None:
    server = FakeElevenLabs()
    async with speaking(server, ElevenLabsTTSService, language="en", stability=0.4) as (rig, _):
        await say(rig, "One.")
        await rig.send(TTSUpdateSettingsFrame({"speed": 1.1}))
        await say(rig, "Two.")
        assert len(server.requests) == 1
        await rig.send(TTSUpdateSettingsFrame({"voice": "bert"}))
        await say(rig, "Three.")
    assert "/anna/" in server.requests[0]
    assert "/bert/" in server.requests[1]
    assert server.query()["output_format"] == ["pcm_24000"]
    assert server.query()["language_code"] == ["en"]
    openings = [each["voice_settings"] for each in server.asked if "voice_settings" in each]
    assert openings[:2] == [{"stability": 0.4}, {"stability": 0.4, "speed": 1.1}]


@pytest.mark.parametrize("make", [make for _, make in VENDORS])
def test_without_a_key_it_says_where_one_comes_from(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CARTESIA_API_KEY", "ELEVENLABS_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigurationError, match=r"_API_KEY in the environment"):
        make(voice="anna")


def test_elevenlabs_has_formats_of_some_rates_only() -> None:
    with pytest.raises(ConfigurationError, match="sample_rate is 48000; ElevenLabs has 8000"):
        ElevenLabsTTSService(voice="anna", api_key=KEY, sample_rate=48000)
