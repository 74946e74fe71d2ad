"""OpenAI's services, each in a pipeline, with a server on the loopback."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.services.fakes.error_log import ErrorLog
from tests.services.fakes.http_server import FOR_GOOD, Trouble
from tests.services.fakes.openai_server import KEY, FakeOpenAI, call_part, read_upload, words
from tests.services.rig import Rig, running
from voicewire.audio.pcm import wav_bytes
from voicewire.context import LLMContext
from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import Processor
from voicewire.services.openai import OpenAILLMService, OpenAISTTService, OpenAITTSService

pytestmark = pytest.mark.anyio

QUESTION = [{"role": "user", "content": "hello"}]
SPEECH = b"\x10\x00" * 16000


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


def llm_of(fake: FakeOpenAI, **options: Any) -> OpenAILLMService:
    return OpenAILLMService(**{"model": "tiny", "base_url": fake.url, "api_key": KEY, **options})


def stt_of(fake: FakeOpenAI, **options: Any) -> OpenAISTTService:
    return OpenAISTTService(**{"base_url": fake.url, "api_key": KEY, **options})


def tts_of(fake: FakeOpenAI, **options: Any) -> OpenAITTSService:
    return OpenAITTSService(**{"base_url": fake.url, "api_key": KEY, **options})


def spoken() -> list[Frame]:
    return [
        VADUserStartedSpeakingFrame(),
        InputAudioRawFrame(SPEECH, 16000, 1),
        VADUserStoppedSpeakingFrame(),
    ]


def texts(rig: Rig) -> str:
    return "".join(frame.text for frame in rig.all_of(LLMTextFrame))


async def once(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


# The language model.


async def test_an_answer_streams_from_the_server(fake: FakeOpenAI) -> None:
    llm = llm_of(fake, temperature=0.5, max_tokens=9, extra={"stop": ["\n"]})
    async with running(llm) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
        assert [f.text for f in rig.all_of(LLMTextFrame)] == ["Hel", "lo."]
    assert fake.requests[0].json == {
        "model": "tiny",
        "messages": QUESTION,
        "stream": True,
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["\n"],
    }
    assert fake.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_parallel_calls_that_stream_by_turns_are_put_together_and_answered(
    fake: FakeOpenAI,
) -> None:
    asked: list[str] = []

    async def weather(city: str) -> str:
        """Tell the weather."""
        asked.append(city)
        return f"rain in {city}"

    fake.deltas = [
        [
            call_part(0, id="a", name="weather"),
            call_part(1, id="b", name="weather"),
            call_part(0, '{"ci'),
            call_part(1, '{"city": "Ro'),
            call_part(0, 'ty": "Paris"}'),
            call_part(1, 'me"}'),
        ],
        words("Rain, ", "everywhere."),
    ]
    async with running(llm_of(fake, context=LLMContext(tools=[weather]))) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig) == "Rain, everywhere."
    assert sorted(asked) == ["Paris", "Rome"]
    first, second = (request.json for request in fake.requests)
    assert first["tools"][0]["function"]["name"] == "weather"
    assert [(m["role"], m.get("content")) for m in second["messages"]] == [
        ("user", "hello"),
        ("assistant", None),
        ("tool", "rain in Paris"),
        ("tool", "rain in Rome"),
    ]


async def test_calls_that_a_server_gives_one_index_are_told_apart_by_their_ids(
    fake: FakeOpenAI,
) -> None:
    asked: list[int] = []

    async def note(number: int) -> str:
        asked.append(number)
        return "noted"

    fake.deltas = [
        [
            call_part(0, '{"number": 1}', id="a", name="note"),
            call_part(0, '{"number": 2}', id="b", name="note"),
        ],
        words("Done."),
    ]
    async with running(llm_of(fake, context=LLMContext(tools=[note]))) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert sorted(asked) == [1, 2]


LLM_TROUBLES = {
    "a wrong request": Trouble(status=400),
    "a refused key": Trouble(status=401),
    "too many requests": Trouble(status=429, headers=FOR_GOOD),
    "a broken server": Trouble(status=500, headers=FOR_GOOD),
    "an error in mid-stream": Trouble(kind="error", after=2),
    "a drop in mid-stream": Trouble(kind="drop", after=2),
    "half a JSON": Trouble(kind="half", after=2),
}


@pytest.mark.parametrize("trouble", LLM_TROUBLES.values(), ids=LLM_TROUBLES.keys())
async def test_an_answer_that_fails_is_reported_and_the_next_one_comes(
    fake: FakeOpenAI, trouble: Trouble
) -> None:
    async with running(llm_of(fake)) as rig:
        errors = ErrorLog(rig)
        fake.troubles.append(trouble)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        first = texts(rig)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig).removeprefix(first) == "Hello."
        await rig.settle()
    assert len(errors) == 1
    assert not errors[0].fatal
    assert "OpenAILLMService" in errors[0].error
    assert first == ("" if trouble.status else "Hel")
    if trouble.status is not None or trouble.kind == "error":
        assert "not today" in errors[0].error


async def test_a_server_that_fails_once_is_asked_again_at_once(fake: FakeOpenAI) -> None:
    fake.troubles.append(Trouble(status=500, headers={"retry-after-ms": "1"}))
    async with running(llm_of(fake)) as rig:
        errors = ErrorLog(rig)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
        assert texts(rig) == "Hello."
    assert errors == []
    assert len(fake.requests) == 2


async def test_a_server_that_says_nothing_is_given_up_and_left(fake: FakeOpenAI) -> None:
    fake.troubles.append(Trouble(kind="hang", after=0))
    async with running(llm_of(fake, timeout_secs=0.2)) as rig:
        errors = ErrorLog(rig)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        await once(fake.was_left)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig) == "Hello."
    assert len(errors) == 1


async def test_an_interruption_hangs_up_on_the_server(fake: FakeOpenAI) -> None:
    fake.troubles.append(Trouble(kind="hang", after=3))
    async with running(llm_of(fake)) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMTextFrame, 2)
        await rig.send(InterruptionFrame())
        await once(fake.was_left)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert fake.num_left == 1


async def test_new_settings_hold_from_the_next_answer_on(fake: FakeOpenAI) -> None:
    async with running(llm_of(fake)) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.send(LLMUpdateSettingsFrame({"model": "large", "temperature": 0.1}))
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert [(r.json["model"], r.json.get("temperature")) for r in fake.requests] == [
        ("tiny", None),
        ("large", 0.1),
    ]


async def test_a_summary_is_made_beside_the_conversation(fake: FakeOpenAI) -> None:
    llm = llm_of(fake)
    async with running(llm) as rig:
        assert await llm.run_inference(LLMContext(QUESTION)) == "Hello."
        assert rig.all_of(LLMTextFrame) == []
    assert llm.messages == []


# Speech-to-text.


async def test_speech_is_sent_as_a_wav_file_and_comes_back_as_text(fake: FakeOpenAI) -> None:
    async with running(stt_of(fake, model="ears", language="en", prompt="Voicewire")) as rig:
        await rig.send(*spoken())
        (heard,) = await rig.wait_for(TranscriptionFrame)
        assert (heard.text, heard.language) == ("hello there", "en")
    upload = read_upload(fake.requests[0])
    assert upload.recording == wav_bytes(SPEECH, 16000, 1)
    assert upload.file_name.endswith(".wav")
    assert upload.fields == {"model": "ears", "language": "en", "prompt": "Voicewire"}


STT_TROUBLES = {
    "a refused key": Trouble(status=401),
    "too many requests": Trouble(status=429, headers=FOR_GOOD),
    "a broken server": Trouble(status=500, headers=FOR_GOOD),
    "half a JSON": Trouble(kind="half"),
}


@pytest.mark.parametrize("trouble", STT_TROUBLES.values(), ids=STT_TROUBLES.keys())
async def test_a_transcription_that_fails_is_reported_and_the_next_one_comes(
    fake: FakeOpenAI, trouble: Trouble
) -> None:
    async with running(stt_of(fake)) as rig:
        errors = ErrorLog(rig)
        fake.troubles.append(trouble)
        await rig.send(*spoken(), *spoken())
        await rig.wait_for(TranscriptionFrame)
        await rig.settle()
        assert len(rig.all_of(TranscriptionFrame)) == 1
    assert len(errors) == 1
    assert "OpenAISTTService" in errors[0].error


async def test_a_dropped_transcription_is_asked_for_again(fake: FakeOpenAI) -> None:
    fake.troubles.append(Trouble(kind="drop"))
    async with running(stt_of(fake)) as rig:
        errors = ErrorLog(rig)
        await rig.send(*spoken())
        await rig.wait_for(TranscriptionFrame)
    assert errors == []
    assert len(fake.requests) == 2


async def test_a_transcription_has_one_deadline_for_all_attempts(fake: FakeOpenAI) -> None:
    fake.troubles.append(Trouble(kind="hang"))
    async with running(stt_of(fake, timeout_secs=0.2)) as rig:
        errors = ErrorLog(rig)
        await rig.send(*spoken())
        await once(fake.was_left)
        await rig.send(*spoken())
        await rig.wait_for(TranscriptionFrame)
        await rig.settle()
    assert len(fake.requests) == 2
    assert "0.2 s" in errors[0].error


async def test_an_interruption_does_not_lose_the_callers_words(fake: FakeOpenAI) -> None:
    async with running(stt_of(fake)) as rig:
        await rig.send(*spoken(), InterruptionFrame())
        await rig.wait_for(TranscriptionFrame)


async def test_the_language_can_be_changed_in_mid_call(fake: FakeOpenAI) -> None:
    async with running(stt_of(fake)) as rig:
        await rig.send(STTUpdateSettingsFrame({"language": "de"}))
        await rig.settle()
        await rig.send(*spoken())
        await rig.wait_for(TranscriptionFrame)
    assert read_upload(fake.requests[0]).fields["language"] == "de"


# Text-to-speech.


async def test_speech_streams_in_whole_samples_however_the_server_cuts_it(
    fake: FakeOpenAI,
) -> None:
    pcm = bytes(range(256)) * 60
    fake.audio = [pcm[:4801], pcm[4801:9001], pcm[9001:9002], pcm[9002:], b"\x7f"]
    tts = tts_of(fake, model="voice", voice="nova", instructions="Whisper.", speed=1.5)
    async with running(tts) as rig:
        await rig.send(TTSSpeakFrame("Good day."))
        await rig.wait_for(TTSStoppedFrame)
        audio = rig.all_of(TTSAudioRawFrame)
        assert all(len(frame.audio) % 2 == 0 for frame in audio)
        assert b"".join(frame.audio for frame in audio) == pcm
        assert {frame.sample_rate for frame in audio} == {24000}
    assert fake.requests[0].json == {
        "input": "Good day.",
        "model": "voice",
        "voice": "nova",
        "instructions": "Whisper.",
        "speed": 1.5,
        "response_format": "pcm",
    }


TTS_TROUBLES = {
    "a refused key": Trouble(status=401),
    "too many requests": Trouble(status=429, headers=FOR_GOOD),
    "a broken server": Trouble(status=500, headers=FOR_GOOD),
    "a drop in mid-stream": Trouble(kind="drop", after=2),
}


@pytest.mark.parametrize("trouble", TTS_TROUBLES.values(), ids=TTS_TROUBLES.keys())
async def test_a_sentence_that_fails_is_reported_and_the_next_one_is_spoken(
    fake: FakeOpenAI, trouble: Trouble
) -> None:
    async with running(tts_of(fake)) as rig:
        errors = ErrorLog(rig)
        fake.troubles.append(trouble)
        await rig.send(TTSSpeakFrame("One."), TTSSpeakFrame("Two."))
        await rig.wait_for(TTSTextFrame)
        assert [frame.text for frame in rig.all_of(TTSTextFrame)] == ["Two."]
        await rig.settle()
    assert len(errors) == 1
    assert "OpenAITTSService" in errors[0].error


async def test_a_voice_that_hangs_is_given_up_and_left(fake: FakeOpenAI) -> None:
    fake.troubles.append(Trouble(kind="hang", after=0))
    async with running(tts_of(fake, timeout_secs=0.2)) as rig:
        errors = ErrorLog(rig)
        await rig.send(TTSSpeakFrame("One."), TTSSpeakFrame("Two."))
        await rig.wait_for(TTSTextFrame)
        await once(fake.was_left)
    assert len(errors) == 1


async def test_an_interruption_hangs_up_on_the_voice(fake: FakeOpenAI) -> None:
    fake.audio = [bytes(9600)] * 2
    fake.troubles.append(Trouble(kind="hang", after=1))
    async with running(tts_of(fake)) as rig:
        await rig.send(TTSSpeakFrame("A long story."))
        await rig.wait_for(TTSAudioRawFrame)
        await rig.send(InterruptionFrame())
        await once(fake.was_left)
        await rig.send(TTSSpeakFrame("Another."))
        await rig.wait_for(TTSTextFrame)


async def test_the_voice_can_be_changed_in_mid_call(fake: FakeOpenAI) -> None:
    async with running(tts_of(fake)) as rig:
        await rig.send(TTSSpeakFrame("One."))
        await rig.send(TTSUpdateSettingsFrame({"voice": "echo", "speed": 2.0}))
        await rig.send(TTSSpeakFrame("Two."))
        await rig.wait_for(TTSTextFrame, 2)
    assert [(r.json["voice"], r.json.get("speed")) for r in fake.requests] == [
        ("alloy", None),
        ("echo", 2.0),
    ]


# The key.


@pytest.mark.parametrize("make", [llm_of, stt_of, tts_of])
async def test_a_refused_key_is_in_no_log_and_no_error(
    fake: FakeOpenAI, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "sk-this-is-my-wrong-key"
    service: Processor = make(fake, api_key=wrong)
    with caplog.at_level(logging.DEBUG):
        async with running(service) as rig:
            errors = ErrorLog(rig)
            await rig.send(LLMMessagesFrame(QUESTION), TTSSpeakFrame("Hi."), *spoken())
            await errors.wait_for(1)
    assert "Incorrect API key" in errors[0].error
    assert wrong not in errors[0].error
    assert wrong not in caplog.text
    assert caplog.records


async def test_a_missing_package_is_an_error_that_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[openai\]"):
        async with running(OpenAILLMService(model="tiny", api_key=KEY)):
            pass


async def test_a_missing_key_is_an_error_before_the_first_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        async with running(OpenAITTSService()):
            pass


def test_a_service_has_no_connection_before_its_pipeline_runs() -> None:
    with pytest.raises(RuntimeError, match="not part of a running pipeline"):
        _ = OpenAILLMService(model="tiny", api_key=KEY)._client.api
