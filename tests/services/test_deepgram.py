"""Deepgram, against a server that keeps to its protocol."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest

from tests.services.fakes.sockets import KEY, FakeDeepgram
from tests.services.rig import Rig, running
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.services.deepgram import DeepgramSTTService

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def listening(
    fake: FakeDeepgram, **options: Any
) -> AsyncIterator[tuple[Rig, DeepgramSTTService, list[ErrorFrame]]]:
    errors: list[ErrorFrame] = []
    async with fake.serving():
        stt = DeepgramSTTService(**{"api_key": KEY, "base_url": fake.url, **options})
        async with running(stt) as rig:

            @rig.task.event_handler("on_pipeline_error")
            async def on_error(task: object, frame: ErrorFrame) -> None:
                errors.append(frame)

            yield rig, stt, errors


async def speak(rig: Rig, secs: float = 0.3) -> None:
    for _ in range(round(secs / 0.01)):
        await rig.send(InputAudioRawFrame(b"\1" * 320, 16000, 1))


async def until(fake: FakeDeepgram, audio_secs: float) -> None:
    async with asyncio.timeout(5):
        while fake.audio_bytes < audio_secs * 32_000:
            fake.news.clear()
            await fake.news.wait()


async def test_what_is_said_is_transcribed_as_it_is_said_and_settled_at_a_pause() -> None:
    fake = FakeDeepgram()
    async with listening(fake) as (rig, _, errors):
        await speak(rig)
        interim = await rig.wait_for(InterimTranscriptionFrame, 3)
        assert [frame.text for frame in interim] == ["w1", "w1 w2", "w1 w2 w3"]
        await rig.send(VADUserStoppedSpeakingFrame())
        (final,) = await rig.wait_for(TranscriptionFrame)
        assert final.text == "w1 w2 w3"
        assert len(rig.all_of(InputAudioRawFrame)) == 30, "the audio goes on downstream"
    assert errors == []
    query = fake.query()
    assert query["model"] == ["nova-3"]
    assert query["encoding"] == ["linear16"]
    assert query["sample_rate"] == ["16000"]
    assert fake.asked[-1] == {"type": "CloseStream"}
    assert fake.num_open == 0


async def test_a_connection_that_is_lost_is_opened_again() -> None:
    fake = FakeDeepgram()
    fake.drops_after = 1
    async with listening(fake) as (rig, _, errors):
        await speak(rig)
        await rig.wait_for(InterimTranscriptionFrame)
        async with asyncio.timeout(5):
            while len(fake.requests) < 2:  # noqa: ASYNC110 - the handshake tells nobody
                await asyncio.sleep(0.01)
        await speak(rig)
        await rig.wait_for(InterimTranscriptionFrame, 2)
    assert errors == []


async def test_an_outage_is_told_of_once_and_what_is_said_meanwhile_is_heard_afterwards() -> None:
    fake = FakeDeepgram()
    fake.status = HTTPStatus.SERVICE_UNAVAILABLE
    async with listening(fake) as (rig, _, errors):
        await speak(rig)
        async with asyncio.timeout(5):
            while len(fake.requests) < 3:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        fake.status = None
        await until(fake, 0.3)
        await rig.wait_for(InterimTranscriptionFrame, 3)
    assert len(errors) == 1
    assert "HTTP status 503" in errors[0].error


async def test_a_wrong_key_is_told_of_and_not_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeDeepgram()
    with caplog.at_level(logging.DEBUG):
        async with listening(fake, api_key="sk-wrong") as (rig, _, errors):
            await speak(rig)
            async with asyncio.timeout(5):
                while not errors:  # noqa: ASYNC110 - the handler is a task of the pipeline
                    await asyncio.sleep(0.01)
            await speak(rig)
            await rig.settle()
    assert len(fake.requests) == 1
    assert "HTTP status 401" in errors[0].error
    ours = [r for r in caplog.records if r.name.startswith("voicewire")]
    assert "sk-wrong" not in "".join(f"{r.getMessage()}{r.exc_text}" for r in ours)


async def test_no_more_than_some_seconds_wait_for_a_connection() -> None:
    fake = FakeDeepgram()
    fake.status = HTTPStatus.SERVICE_UNAVAILABLE
    async with listening(fake) as (rig, stt, _):
        for _ in range(24):
            await rig.send(InputAudioRawFrame(b"\1" * 16_000, 16000, 1))
        await rig.settle()
        assert stt.num_dropped_secs == pytest.approx(2.0)


async def test_nothing_of_one_caller_is_heard_of_the_next() -> None:
    fake = FakeDeepgram()
    async with listening(fake) as (rig, _, errors):
        await speak(rig)
        await rig.wait_for(InterimTranscriptionFrame, 3)
        await rig.send(ClientDisconnectedFrame(), ClientConnectedFrame())
        await speak(rig)
        frames = await rig.wait_for(InterimTranscriptionFrame, 6)
    assert frames[3].text == "w4"
    assert len(fake.requests) == 2
    assert errors == []


async def test_new_settings_open_another_connection() -> None:
    fake = FakeDeepgram()
    async with listening(fake) as (rig, _, _errors):
        await speak(rig)
        await rig.wait_for(InterimTranscriptionFrame, 3)
        await rig.send(STTUpdateSettingsFrame({"language": "de"}))
        await rig.wait_for(STTUpdateSettingsFrame)
        await speak(rig)
        await rig.wait_for(InterimTranscriptionFrame, 6)
    assert fake.query()["language"] == ["de"]


async def test_garbage_and_errors_do_not_end_the_conversation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeDeepgram()
    fake.garbage = [
        "{half",
        '{"type": "Results"}',
        "[1]",
        f'{{"type": "Error", "description": "bad audio, {KEY}"}}',
    ]
    with caplog.at_level(logging.WARNING):
        async with listening(fake) as (rig, _, errors):
            await speak(rig)
            await rig.wait_for(InterimTranscriptionFrame, 3)
    assert [each.error.endswith("bad audio, …") for each in errors] == [True]
    assert sum("not understood" in record.message for record in caplog.records) == 1


async def test_a_silent_line_is_kept_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.services.streaming_stt.KEEPALIVE_SECS", 0.02)
    fake = FakeDeepgram()
    async with listening(fake) as (rig, _, _errors):
        await speak(rig)
        await fake.happened("type", "KeepAlive")


def test_without_a_key_it_says_where_one_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="DEEPGRAM_API_KEY in the environment"):
        DeepgramSTTService()
