import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.services.rig import running
from voicewire.frames import (
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from voicewire.services.tts import TTSService

pytestmark = pytest.mark.anyio


class LetterTTS(TTSService):
    """One sample for each letter; waits for `may_speak` before each sentence's second half."""

    def __init__(self) -> None:
        super().__init__(sample_rate=8000)
        self.may_speak = asyncio.Event()
        self.may_speak.set()
        self.said: list[str] = []
        self.num_closed = 0

    async def run_tts(self, text: str) -> AsyncGenerator[bytes, None]:
        self.said.append(text)
        try:
            yield b"\x01\x00"
            await self.may_speak.wait()
            yield bytes(2 * len(text) - 2)
        finally:
            self.num_closed += 1


def answer(*pieces: str) -> list[Frame]:
    texts = [LLMTextFrame(piece) for piece in pieces]
    return [LLMFullResponseStartFrame(), *texts, LLMFullResponseEndFrame()]


async def test_an_answer_is_spoken_sentence_by_sentence_while_it_streams() -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(LLMFullResponseStartFrame(), LLMTextFrame("Hi the"), LLMTextFrame("re. How"))
        await rig.wait_for(TTSTextFrame)
        assert tts.said == ["Hi there."]
        await rig.send(LLMTextFrame(" are you?"), LLMFullResponseEndFrame())
        await rig.wait_for(LLMFullResponseEndFrame)
        assert [f.text for f in rig.all_of(TTSTextFrame)] == ["Hi there.", "How are you?"]
        audio = rig.all_of(TTSAudioRawFrame)
        assert {(f.sample_rate, f.num_channels) for f in audio} == {(8000, 1)}
        started, stopped = rig.all_of(TTSStartedFrame), rig.all_of(TTSStoppedFrame)
    assert len(started) == len(stopped) == 1
    assert {f.context_id for f in audio} == {started[0].context_id} == {stopped[0].context_id}


async def test_the_text_follows_its_audio() -> None:
    async with running(LetterTTS()) as rig:
        await rig.send(*answer("One. Two."))
        await rig.wait_for(LLMFullResponseEndFrame)
        kinds = [type(f) for f in rig.all_of(Frame) if isinstance(f, TTSAudioRawFrame | TextFrame)]
    assert kinds == [TTSAudioRawFrame, TTSAudioRawFrame, TTSTextFrame] * 2


@pytest.mark.parametrize(
    "frame", [TTSSpeakFrame("Say. All of this"), TextFrame("Say. All of this")]
)
async def test_other_text_is_spoken_at_once_by_the_sentence(frame: Frame) -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(frame)
        await rig.wait_for(TTSStoppedFrame)
    assert tts.said == ["Say.", "All of this"]


async def test_what_the_caller_said_is_not_spoken() -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(TranscriptionFrame("mine", "", ""), InterimTranscriptionFrame("mi", "", ""))
        await rig.wait_for(InterimTranscriptionFrame)
        assert len(rig.all_of(TranscriptionFrame)) == 1
    assert tts.said == []


async def test_what_is_only_to_be_read_is_not_spoken_and_goes_on() -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(
            LLMFullResponseStartFrame(),
            LLMTextFrame("Read this.", skip_tts=True),
            LLMFullResponseEndFrame(),
        )
        await rig.wait_for(LLMFullResponseEndFrame)
        assert [f.text for f in rig.all_of(LLMTextFrame)] == ["Read this."]
    assert tts.said == []


async def test_marks_without_a_word_are_not_spoken() -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(*answer("... ", "!\n", "Yes."))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert tts.said == ["Yes."]


async def test_an_interruption_stops_the_voice_and_drops_the_rest_of_the_answer() -> None:
    tts = LetterTTS()
    tts.may_speak.clear()
    async with running(tts) as rig:
        await rig.send(LLMFullResponseStartFrame(), LLMTextFrame("First one. Second"))
        await rig.wait_for(TTSAudioRawFrame)
        await rig.send(LLMTextFrame(" one. "), InterruptionFrame())
        tts.may_speak.set()
        await rig.settle()
        assert tts.num_closed == 1
        assert rig.all_of(TTSTextFrame) == []
        await rig.send(*answer("New."))
        await rig.wait_for(TTSTextFrame)
        assert len({f.context_id for f in rig.all_of(TTSStartedFrame)}) == 2
    assert tts.said == ["First one.", "New."]


async def test_half_a_sentence_for_a_caller_who_left_is_not_said_to_the_next() -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(LLMFullResponseStartFrame(), LLMTextFrame("Your balance is"))
        await rig.settle()
        await rig.send(ClientDisconnectedFrame(), *answer("Hello."))
        await rig.wait_for(TTSTextFrame)
    assert tts.said == ["Hello."]


async def test_the_end_waits_until_the_last_words_are_spoken() -> None:
    tts = LetterTTS()
    async with running(tts) as rig:
        await rig.send(LLMFullResponseStartFrame(), LLMTextFrame("Good bye"), EndFrame())
        await rig.wait_for(EndFrame)
        assert [f.text for f in rig.all_of(TTSTextFrame)] == ["Good bye"]
