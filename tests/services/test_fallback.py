"""Services that stand in for each other, in a pipeline."""

import asyncio
from typing import Any

import numpy as np
import pytest

from tests.services.fakes.error_log import ErrorLog
from tests.services.fakes.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.services.rig import Rig, running
from voicewire.context import LLMContext
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSentenceFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
    WordTime,
)
from voicewire.pipeline import ProcessorSetup
from voicewire.pipeline.task import PipelineParams
from voicewire.services.fallback import (
    FallbackLLMService,
    FallbackSTTService,
    FallbackTTSService,
)
from voicewire.services.function_calls import ToolCall
from voicewire.services.openai import OpenAILLMService

pytestmark = pytest.mark.anyio

BROKEN = ConnectionError("no route")
NEVER = asyncio.Event


def heard(text: str = "Well?") -> TranscriptionFrame:
    return TranscriptionFrame(text, "", "")


def spoken(rate: int = 16000) -> list[Frame]:
    return [
        VADUserStartedSpeakingFrame(),
        InputAudioRawFrame(b"\x10\x00" * rate, rate, 1),
        VADUserStoppedSpeakingFrame(),
    ]


def answers(rig: Rig) -> list[str]:
    return [frame.text for frame in rig.all_of(LLMTextFrame)]


async def ask(rig: Rig) -> None:
    """Ask, and wait for the end of the answer."""
    count = len(rig.all_of(LLMFullResponseEndFrame))
    await rig.send(heard())
    await rig.wait_for(LLMFullResponseEndFrame, count + 1)


# Language models.


async def test_the_first_model_answers_as_long_as_it_works() -> None:
    first, second = ScriptedLLM(["One."], ["Two."]), ScriptedLLM()
    async with running(FallbackLLMService([first, second])) as rig:
        await ask(rig)
        await ask(rig)
        assert answers(rig) == ["One.", "Two."]
    assert second.asked == []


async def test_the_next_model_takes_over_from_one_that_fails() -> None:
    first, second = ScriptedLLM([BROKEN], name="first"), ScriptedLLM(["Still here."])
    params = PipelineParams(enable_metrics=True)
    async with running(FallbackLLMService([first, second]), params=params) as rig:
        errors = ErrorLog(rig)
        await ask(rig)
        assert answers(rig) == ["Still here."]
        await errors.wait_for(1)
        metrics = [data.name for frame in rig.all_of(MetricsFrame) for data in frame.data]
    assert metrics.count("num_fallbacks") == 1
    assert len(errors) == 1
    assert not errors[0].fatal
    assert "first has failed, the next one takes over" in errors[0].error
    assert "no route" in errors[0].error


async def test_the_next_model_takes_over_from_one_that_is_slow_to_begin() -> None:
    first, second = ScriptedLLM([NEVER()]), ScriptedLLM(["Here."])
    service = FallbackLLMService([first, second], first_word_secs=0.05)
    async with running(service) as rig:
        errors = ErrorLog(rig)
        await ask(rig)
        assert answers(rig) == ["Here."]
        await errors.wait_for(1)
    assert first.num_closed == 1
    assert "nothing within 0.05 s" in errors[0].error


async def test_what_was_said_is_not_said_twice() -> None:
    first, second = ScriptedLLM(["I think ", BROKEN]), ScriptedLLM(["Next."])
    async with running(FallbackLLMService([first, second])) as rig:
        errors = ErrorLog(rig)
        await ask(rig)
        assert answers(rig) == ["I think "]
        await errors.wait_for(1)
        await ask(rig)
        assert answers(rig) == ["I think ", "Next."]
    assert len(errors) == 1


async def test_a_model_that_has_failed_is_left_alone_for_a_while() -> None:
    first = ScriptedLLM([BROKEN], ["Back."])
    second = ScriptedLLM(["a"], ["b"], ["c"])
    async with running(FallbackLLMService([first, second], retry_after_secs=20)) as rig:
        await ask(rig)
        rig.clock.advance(19)
        await ask(rig)
        assert len(first.asked) == 1
        rig.clock.advance(2)
        await ask(rig)
        assert answers(rig) == ["a", "b", "Back."]


async def test_where_all_have_failed_all_are_asked_and_the_last_failure_is_reported() -> None:
    first, second = ScriptedLLM([BROKEN], ["Back."]), ScriptedLLM([ValueError("no such model")])
    async with running(FallbackLLMService([first, second])) as rig:
        errors = ErrorLog(rig)
        await ask(rig)
        await errors.wait_for(2)
        assert "no such model" in errors[1].error
        await ask(rig)
        assert answers(rig) == ["Back."]


async def test_a_model_is_chosen_by_name_or_place() -> None:
    first, second = ScriptedLLM(["1"], ["1"], name="first"), ScriptedLLM(["2"], name="second")
    service = FallbackLLMService([first, second])
    async with running(service) as rig:
        service.use("second")
        await ask(rig)
        service.use(1)
        await ask(rig)
        assert answers(rig) == ["2", "1"]
    with pytest.raises(ConfigurationError, match=r"'secnd'.* Did you mean 'second'\?"):
        service.use("secnd")
    with pytest.raises(ConfigurationError, match="there are 0 to 1"):
        service.use(2)


async def test_a_model_that_is_chosen_is_asked_though_it_has_just_failed() -> None:
    first, second = ScriptedLLM([BROKEN], ["Back."]), ScriptedLLM(["a"])
    service = FallbackLLMService([first, second])
    async with running(service) as rig:
        await ask(rig)
        service.use(0)
        await ask(rig)
        assert answers(rig) == ["a", "Back."]


async def test_functions_are_called_whichever_model_asks() -> None:
    async def weather() -> str:
        return "rain"

    first = ScriptedLLM([BROKEN])
    second = ScriptedLLM([ToolCall("a", "weather", "{}")], ["Rain."])
    service = FallbackLLMService([first, second], context=LLMContext(tools=[weather]))
    async with running(service) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert answers(rig) == ["Rain."]


async def test_an_interruption_is_no_failure() -> None:
    first, second = ScriptedLLM([NEVER()], ["Again."]), ScriptedLLM()
    async with running(FallbackLLMService([first, second])) as rig:
        errors = ErrorLog(rig)
        await rig.send(heard())
        await rig.settle()
        await rig.send(InterruptionFrame())
        await rig.settle()
        assert first.num_closed == 1
        await ask(rig)
        assert answers(rig) == ["Again."]
        assert errors == []


async def test_settings_go_to_all_models_or_to_the_one_that_is_named() -> None:
    first, second = ScriptedLLM(name="first"), ScriptedLLM(name="second")
    async with running(FallbackLLMService([first, second])) as rig:
        errors = ErrorLog(rig)
        await rig.send(LLMUpdateSettingsFrame({"temperature": 0.5}))
        await rig.send(LLMUpdateSettingsFrame({"model": "large"}, service="second"))
        await rig.send(LLMUpdateSettingsFrame({"colour": "red"}, service="second"))
        await errors.wait_for(1)
    assert (first.settings.temperature, second.settings.temperature) == (0.5, 0.5)
    assert (first.settings.model, second.settings.model) == (None, "large")
    assert "second: " in errors[0].error
    assert "unknown parameter 'colour'" in errors[0].error


async def test_all_models_are_set_up_and_let_go() -> None:
    class Noting(ScriptedLLM):
        events: list[str]

        async def setup(self, setup: ProcessorSetup) -> None:
            await super().setup(setup)
            events.append("setup")

        async def cleanup(self) -> None:
            await super().cleanup()
            events.append("cleanup")

    events: list[str] = []
    async with running(FallbackLLMService([Noting(), Noting()])):
        assert events == ["setup"] * 2
    assert events == ["setup"] * 2 + ["cleanup"] * 2


async def test_one_that_cannot_be_set_up_is_an_error_of_its_own_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    service = FallbackLLMService([ScriptedLLM(), OpenAILLMService(model="tiny")])
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        async with running(service):
            pass


def test_no_services_are_an_error() -> None:
    for kind in (FallbackLLMService, FallbackTTSService, FallbackSTTService):
        with pytest.raises(ConfigurationError, match="at least one"):
            kind([])
    twice = ScriptedLLM()
    with pytest.raises(ConfigurationError, match="one name"):
        FallbackLLMService([twice, twice])


# Text-to-speech.


@pytest.mark.parametrize(
    "trouble",
    [[BROKEN], [NEVER()], [], [WordTime("One", 0.0, 0.5), BROKEN]],
    ids=["it fails", "it is slow", "it is silent", "it fails behind its words"],
)
async def test_the_next_voice_takes_over(trouble: Any) -> None:
    first, second = ScriptedTTS(trouble), ScriptedTTS([b"\x02\x00" * 100])
    service = FallbackTTSService([first, second], first_audio_secs=0.05)
    async with running(service) as rig:
        errors = ErrorLog(rig)
        await rig.send(TTSSpeakFrame("One."))
        await rig.wait_for(TTSTextFrame)
        assert [frame.audio for frame in rig.all_of(TTSAudioRawFrame)] == [b"\x02\x00" * 100]
        assert rig.all_of(TTSSentenceFrame)[0].words == []
        await errors.wait_for(1)


async def test_a_sentence_that_breaks_off_is_not_spoken_twice() -> None:
    first, second = ScriptedTTS([b"\x01\x00" * 10, BROKEN]), ScriptedTTS()
    async with running(FallbackTTSService([first, second])) as rig:
        errors = ErrorLog(rig)
        await rig.send(TTSSpeakFrame("One."), TTSSpeakFrame("Two."))
        await rig.wait_for(TTSTextFrame)
        await errors.wait_for(1)
    assert (first.spoken, second.spoken) == (["One."], ["Two."])


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
async def test_another_voices_sample_rate_is_made_the_first_ones(rate: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 8000
    pcm = tone.astype("<i2").tobytes()
    cut = [pcm[start : start + 1000] for start in range(0, len(pcm), 1000)]
    words = WordTime("One", 0.0, 1.0)
    second = ScriptedTTS([words, *cut], sample_rate=rate)
    async with running(FallbackTTSService([ScriptedTTS([BROKEN]), second])) as rig:
        await rig.send(TTSSpeakFrame("One."))
        await rig.wait_for(TTSTextFrame)
        audio = rig.all_of(TTSAudioRawFrame)
        assert rig.all_of(TTSSentenceFrame)[0].words == [words]
    assert {frame.sample_rate for frame in audio} == {24000}
    samples = np.frombuffer(b"".join(frame.audio for frame in audio), "<i2").astype(float)
    assert len(samples) == pytest.approx(24000, abs=200)
    assert np.argmax(np.abs(np.fft.rfft(samples, 24000))) == pytest.approx(440, abs=1)


async def test_the_voices_settings_go_to_all() -> None:
    first, second = ScriptedTTS(name="a"), ScriptedTTS(name="b")
    service = FallbackTTSService([first, second])
    async with running(service) as rig:
        await rig.send(TTSUpdateSettingsFrame({"language": "de"}))
        await rig.send(TTSUpdateSettingsFrame({"voice": "nova"}, service="b"))
        await rig.settle()
    assert service.settings.language == "de"
    assert (first.settings.voice, second.settings.voice) == (None, "nova")


# Speech-to-text.


@pytest.mark.parametrize("trouble", [BROKEN, NEVER()], ids=["it fails", "it is slow"])
async def test_the_next_ear_takes_over_and_no_word_is_lost(trouble: Any) -> None:
    first, second = ScriptedSTT(trouble), ScriptedSTT(words="hello there")
    service = FallbackSTTService([first, second], answer_secs=0.05, interim_secs=None)
    async with running(service) as rig:
        errors = ErrorLog(rig)
        await rig.send(*spoken())
        (frame,) = await rig.wait_for(TranscriptionFrame)
        assert frame.text == "hello there"
        await errors.wait_for(1)
    assert first.heard == second.heard == [b"\x10\x00" * 16000]


async def test_an_ear_of_another_sample_rate_hears_its_own() -> None:
    first, second = ScriptedSTT(BROKEN), ScriptedSTT(sample_rate=8000)
    async with running(FallbackSTTService([first, second], interim_secs=None)) as rig:
        await rig.send(*spoken())
        await rig.wait_for(TranscriptionFrame)
    assert len(second.heard[0]) == pytest.approx(16000, abs=100)


async def test_where_no_ear_hears_it_is_reported_and_the_next_words_are_heard() -> None:
    service = FallbackSTTService([ScriptedSTT(BROKEN), ScriptedSTT(BROKEN)], interim_secs=None)
    async with running(service) as rig:
        errors = ErrorLog(rig)
        await rig.send(*spoken())
        await errors.wait_for(2)
        await rig.send(*spoken())
        await rig.wait_for(TranscriptionFrame)


async def test_the_language_is_told_to_all_ears() -> None:
    first, second = ScriptedSTT(), ScriptedSTT()
    async with running(FallbackSTTService([first, second], interim_secs=None)) as rig:
        await rig.send(STTUpdateSettingsFrame({"language": "de"}))
        await rig.settle()
        await rig.send(*spoken())
        (frame,) = await rig.wait_for(TranscriptionFrame)
        assert frame.language == "de"
    assert second.settings.language == "de"
