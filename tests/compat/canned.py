"""Services that need no model: the first question is answered with one tone, the next with another.

What is said can be told from the tone's frequency alone, by a client that knows no words.
"""

from collections.abc import AsyncGenerator

import numpy as np

from voicewire.context import LLMContext
from voicewire.services.llm import LLMService
from voicewire.services.stt import SegmentedSTTService
from voicewire.services.tts import TTSService

GREETING_HZ = 400
ANSWER_HZ = (600, 800, 1000)
TONE_SECS = 0.6
TTS_SAMPLE_RATE = 24000

_TONES = {"Greeting.": GREETING_HZ, **{f"Answer {i}.": hz for i, hz in enumerate(ANSWER_HZ)}}
_AUDIBLE = 1000
"""Of full scale 32768: real speech is louder, silence is not."""


class CannedSTT(SegmentedSTTService):
    """Hears "Question 0", then "Question 1", and so on, in whatever is loud enough."""

    def __init__(self) -> None:
        super().__init__(interim_secs=None)
        self._num_heard = 0

    async def transcribe(self, pcm: bytes) -> str:
        if np.abs(np.frombuffer(pcm, np.int16)).max(initial=0) < _AUDIBLE:
            return ""
        self._num_heard += 1
        return f"Question {self._num_heard - 1}"


class CannedLLM(LLMService):
    """Answers "Question 0" with "Answer 0.", and anything else with "Greeting."."""

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        question = context.messages[-1]["content"] if context.messages else ""
        for piece in question.replace("Question", "Answer").split() or ["Greeting"]:
            yield f" {piece}"
        yield "."


class ToneTTS(TTSService):
    """Says each sentence as a tone of its own."""

    def __init__(self) -> None:
        super().__init__(sample_rate=TTS_SAMPLE_RATE)

    async def run_tts(self, text: str) -> AsyncGenerator[bytes, None]:
        pcm = tone(_TONES[text], TONE_SECS, TTS_SAMPLE_RATE)
        for start in range(0, len(pcm), 4096):
            yield pcm[start : start + 4096]


def tone(frequency_hz: float, secs: float, sample_rate: int) -> bytes:
    """Return a sine, mono s16le."""
    time = np.arange(round(secs * sample_rate)) / sample_rate
    return (8000 * np.sin(2 * np.pi * frequency_hz * time)).astype("<i2").tobytes()


def loudest_hz(pcm: bytes, sample_rate: int) -> float:
    """Return the frequency that is strongest in mono s16le."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * sample_rate / len(samples))
