import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.services.local.conftest import resample
from tests.speech import word_error_rate
from voicewire.audio.pcm import from_float, num_bytes
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine

pytestmark = [pytest.mark.anyio, pytest.mark.local]

DASHWOOD = (
    "and mister john dashwood had then leisure to consider how much there might be prudently "
    "in his power to do for them"
)
YOUNG_MAN = "he was not an ill disposed young man"
ILL_DISPOSED = "unless to be rather cold hearted and rather selfish is to be ill disposed"
REVIEW = (
    "unless a system is established for the frequent formal review of activities thereunder. "
    "in this regard"
)
KENNEDY = (
    "And so, my fellow Americans: ask not what your country can do for you, "
    "ask what you can do for your country."
)
TRANSCRIPTS = {
    "sense_0870.wav": DASHWOOD,
    "sense_0880.wav": YOUNG_MAN,
    "sense_0890.wav": ILL_DISPOSED,
    "LJ050-0131.wav": REVIEW,
    "jfk.wav": KENNEDY,
}

Speech = Callable[[str], bytes]


@pytest.fixture
def anyio_backend() -> Any:
    """One event loop is enough for what runs on threads of its own."""
    return ("asyncio", {"use_uvloop": False})


@pytest.fixture
async def engine() -> WhisperEngine:
    engine = WhisperEngine.shared()
    await engine.ready()
    return engine


def silence(secs: float) -> bytes:
    return bytes(num_bytes(secs, WHISPER_SAMPLE_RATE, 1))


async def test_real_speech_is_understood(engine: WhisperEngine, speech: Speech) -> None:
    errors = words = 0.0
    for name, transcript in TRANSCRIPTS.items():
        heard = (await engine.transcribe(speech(name))).text
        num_words = len(transcript.split())
        errors += word_error_rate(transcript, heard) * num_words
        words += num_words
    assert errors / words < 0.10


async def test_a_transcript_tells_its_length_and_certainty(
    engine: WhisperEngine, speech: Speech
) -> None:
    transcript = await engine.transcribe(speech("jfk.wav"))
    assert transcript.duration_secs == pytest.approx(11.0)
    assert transcript.no_speech_prob < 0.3
    assert word_error_rate(KENNEDY, transcript.text) == 0.0


@pytest.mark.parametrize("secs", [0.0, 0.05, 0.5, 3.0, 29.0])
async def test_silence_is_nothing(engine: WhisperEngine, secs: float) -> None:
    assert (await engine.transcribe(silence(secs))).text == ""


@pytest.mark.parametrize("level", [0.003, 0.03, 0.3])
async def test_noise_is_nothing(engine: WhisperEngine, level: float) -> None:
    noise = np.random.default_rng(3).standard_normal(4 * WHISPER_SAMPLE_RATE) * level
    assert (await engine.transcribe(from_float(noise.astype(np.float32)))).text == ""


async def test_telephone_quality_is_understood(engine: WhisperEngine, speech: Speech) -> None:
    narrow = resample(resample(speech("jfk.wav"), 16000, 8000), 8000, 16000)
    assert word_error_rate(KENNEDY, (await engine.transcribe(narrow)).text) < 0.1


async def test_parallel_transcriptions_do_not_mix(engine: WhisperEngine, speech: Speech) -> None:
    names = ["sense_0870.wav", "jfk.wav"] * 3
    together = await asyncio.gather(*(engine.transcribe(speech(name)) for name in names))
    alone = {name: (await engine.transcribe(speech(name))).text for name in set(names)}
    assert [transcript.text for transcript in together] == [alone[name] for name in names]


async def test_forty_seconds_are_heard_to_their_end(engine: WhisperEngine, speech: Speech) -> None:
    names = ["jfk.wav", "sense_0870.wav", "LJ050-0131.wav", "sense_0870.wav", "jfk.wav"]
    pcm = silence(0.6).join(speech(name) for name in names)
    transcript = await engine.transcribe(pcm)
    assert transcript.duration_secs > 40
    spoken = " ".join(TRANSCRIPTS[name] for name in names)
    assert word_error_rate(spoken, transcript.text) < 0.1


async def test_the_loop_stays_free(engine: WhisperEngine, speech: Speech) -> None:
    started = time.monotonic()
    transcribing = asyncio.ensure_future(engine.transcribe(speech("jfk.wav")))
    longest_secs = 0.0
    while not transcribing.done():
        before = time.monotonic()
        await asyncio.sleep(0)
        longest_secs = max(longest_secs, time.monotonic() - before)
    assert longest_secs < 0.5 * (time.monotonic() - started)


async def test_half_a_sample_is_an_error(engine: WhisperEngine) -> None:
    with pytest.raises(ValueError, match="whole 16-bit samples; got 3 bytes"):
        await engine.transcribe(b"abc")
