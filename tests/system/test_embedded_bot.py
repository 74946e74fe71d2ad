"""A caller talks with the embedded bot: real speech, real models, real sockets, real time."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import DATA
from tests.speech import normalise, word_error_rate
from tests.system.conftest import EmbeddedBot
from voicewire.audio.pcm import parse_wav, wav_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine

pytestmark = [pytest.mark.local, pytest.mark.timeout(180)]

SPEECH = DATA / "speech"

MAX_ERROR_RATE = 0.15
"""Of each recording; `scripts/measure_wer.py` prints what it really is."""

LEAD_SECS = 0.08
"""`audio_out_lead_secs`: what the client has in its buffer when the bot is cut off."""

FIRST = "he was not an ill disposed young man"
SECOND = "unless to be rather cold hearted and rather selfish is to be ill disposed"


def in_stereo(path: Path, recording: Path) -> Path:
    """Write a recording as 44,100 Hz stereo, as many devices make it."""
    pcm, rate, channels = parse_wav(recording.read_bytes())
    normalizer = StreamNormalizer(44100, 2)
    path.write_bytes(
        wav_bytes(normalizer.process(pcm, rate, channels) + normalizer.flush(), 44100, 2)
    )
    return path


def spoken(path: Path, text: str) -> Path:
    """Write a question of our own, in the voice on this machine."""

    async def speak() -> bytes:
        return b"".join([pcm async for pcm in HibariEngine.shared().speak(text)])

    path.write_bytes(wav_bytes(asyncio.run(speak()), VOICE_SAMPLE_RATE, 1))
    return path


def heard_in(path: Path) -> str:
    """Return what Whisper hears in a file."""
    pcm, rate, channels = parse_wav(path.read_bytes())
    normalizer = StreamNormalizer(WHISPER_SAMPLE_RATE, 1)
    mono = normalizer.process(pcm, rate, channels) + normalizer.flush()
    return asyncio.run(WhisperEngine.shared().transcribe(mono)).text


def test_asked_twice_it_understands_twice_and_answers_twice(
    embedded_bot: EmbeddedBot, tmp_path: Path
) -> None:
    reply = tmp_path / "reply.wav"
    report = embedded_bot.call(
        SPEECH / "sense_0880.wav",
        in_stereo(tmp_path / "stereo.wav", SPEECH / "sense_0890.wav"),
        options=("--save", str(reply), "--greeting-wait", "10"),
    )
    assert report.exit_code == 0, report.errors
    for question, transcript in zip(report.questions, (FIRST, SECOND), strict=True):
        assert word_error_rate(transcript, question["transcript"]) <= MAX_ERROR_RATE
        assert question["answer"]
        assert question["latency_secs"] > 0.0

    # Someone else who listens hears what the bot says that it has said.
    said = " ".join([report.summary["greeting"], *(q["answer"] for q in report.questions)])
    assert report.summary["greeting"]
    assert word_error_rate(said, heard_in(reply)) < 0.35


def test_a_caller_who_speaks_while_it_answers_stops_it(
    embedded_bot: EmbeddedBot, tmp_path: Path
) -> None:
    words = "The quick brown fox jumps over the lazy dog, and then it runs away over the hills."
    long_answer = spoken(tmp_path / "question.wav", f"Please repeat after me: {words}")
    report = embedded_bot.call(
        long_answer, SPEECH / "sense_0880.wav", options=("--barge-in-after", "0.7")
    )
    assert report.exit_code == 0, report.errors
    interrupted = next(event for event in report.of("bot_stopped") if event["question"] == 1)
    assert interrupted["interrupted"]
    # VAD hears 0.2 s of speech before it is sure; what has been sent by then is still heard.
    assert interrupted["yield_secs"] < 0.2 + LEAD_SECS + 0.5
    assert interrupted["spoke_secs"] < 3.0
    rest_is_unsaid = normalise(report.questions[0]["answer"])
    assert "hills" not in rest_is_unsaid
    assert report.questions[1]["answer"]
