import asyncio
from typing import Any

import numpy as np
import pytest

from tests.services.local.conftest import resample
from tests.speech import word_error_rate
from voicewire.audio.pcm import duration_secs
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine, trim_silence
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine

THREE_SENTENCES = "The cat sat on the mat. It was a sunny afternoon. Then it began to rain."


@pytest.fixture
def anyio_backend() -> Any:
    """One event loop is enough for what runs on threads of its own."""
    return ("asyncio", {"use_uvloop": False})


@pytest.fixture
async def engine() -> HibariEngine:
    engine = HibariEngine.shared()
    await engine.ready()
    return engine


async def say(engine: HibariEngine, text: str) -> list[bytes]:
    return [pcm async for pcm in engine.speak(text)]


async def hear(pcm: bytes) -> str:
    heard = resample(pcm, VOICE_SAMPLE_RATE, WHISPER_SAMPLE_RATE)
    return (await WhisperEngine.shared().transcribe(heard)).text


@pytest.mark.local
@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    [
        THREE_SENTENCES,
        "Hello! How can I help you?",
        "Today is Sunday, November 22, 2026.",
        "It is 3:05 PM.",
        "12 times 7 is 84.",
        "Ask not what your country can do for you.",
    ],
)
async def test_what_the_voice_says_is_heard_again(engine: HibariEngine, text: str) -> None:
    assert word_error_rate(text, await hear(b"".join(await say(engine, text)))) == 0.0


@pytest.mark.local
@pytest.mark.anyio
async def test_marks_for_the_eye_are_not_heard(engine: HibariEngine) -> None:
    marked = "The **capital** of *France* is Paris... 😀"
    assert await hear(b"".join(await say(engine, marked))) == "The capital of France is Paris."


@pytest.mark.local
@pytest.mark.anyio
async def test_each_sentence_is_a_piece(engine: HibariEngine) -> None:
    pieces = await say(engine, THREE_SENTENCES)
    assert len(pieces) == 3
    for piece in pieces:
        assert len(piece) % 2 == 0
        assert 1.0 < duration_secs(len(piece), VOICE_SAMPLE_RATE, 1) < 4.0


@pytest.mark.local
@pytest.mark.anyio
async def test_the_same_text_gives_the_same_bytes_whoever_else_speaks(engine: HibariEngine) -> None:
    alone = await say(engine, THREE_SENTENCES)
    together = await asyncio.gather(*(say(engine, THREE_SENTENCES) for _ in range(4)))
    assert together == [alone] * 4


@pytest.mark.local
@pytest.mark.anyio
@pytest.mark.parametrize("text", ["", "   ", "...", "😀", "*** --- ***", "你好"])
async def test_what_cannot_be_said_is_no_audio(engine: HibariEngine, text: str) -> None:
    assert await say(engine, text) == []


@pytest.mark.local
@pytest.mark.anyio
async def test_closing_ends_the_work(engine: HibariEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    say_sentence = engine._say

    def count(sentence: str) -> bytes:
        said.append(sentence)
        return say_sentence(sentence)

    monkeypatch.setattr(engine, "_say", count)
    pieces = engine.speak(THREE_SENTENCES)
    await anext(pieces)
    await pieces.aclose()
    assert said == ["The cat sat on the mat."]


def test_silence_around_a_sentence_is_cut_to_a_pause() -> None:
    second = VOICE_SAMPLE_RATE
    samples = np.zeros(3 * second, np.float32)
    samples[second : 2 * second] = 0.5
    trimmed = trim_silence(samples)
    assert len(trimmed) == second + round(0.28 * second)
    assert trimmed[round(0.03 * second)] == 0.5
    assert trimmed[round(0.03 * second) - 1] == 0.0


def test_nothing_but_silence_is_nothing() -> None:
    assert len(trim_silence(np.zeros(100, np.float32))) == 0
