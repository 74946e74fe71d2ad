"""What callers say: the recordings of the tests, and everyday questions in the voice of the bot."""

import asyncio
from pathlib import Path

from voicewire.audio.pcm import parse_wav
from voicewire.audio.resample import StreamNormalizer
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.testing.caller import MICROPHONE_RATE

RECORDINGS = Path(__file__).parents[2] / "tests" / "data" / "speech"
NAMES = ("sense_0870.wav", "sense_0880.wav", "sense_0890.wav", "LJ050-0131.wav", "jfk.wav")

QUESTIONS = (
    "What time is it?",
    "Tell me a joke.",
    "What is the capital of France?",
    "How far away is the moon?",
    "Can you recommend a good book?",
    "What can you do?",
    "Why is the sky blue?",
    "Who wrote the play Hamlet?",
    "What is seven times eight?",
    "How do I make a cup of tea?",
    "What is the largest animal in the world?",
    "Where does coffee come from?",
)


def recordings() -> dict[str, bytes]:
    """Return the recordings of real speech, by name, as a microphone gives them."""
    return {name: _at_microphone(*parse_wav((RECORDINGS / name).read_bytes())) for name in NAMES}


async def questions() -> dict[str, bytes]:
    """Return the questions, by their text."""
    spoken = await asyncio.gather(*(_speak(text) for text in QUESTIONS))
    return dict(zip(QUESTIONS, spoken, strict=True))


async def _speak(text: str) -> bytes:
    pcm = b"".join([piece async for piece in HibariEngine.shared().speak(text)])
    return _at_microphone(pcm, VOICE_SAMPLE_RATE, 1)


def _at_microphone(pcm: bytes, sample_rate: int, num_channels: int) -> bytes:
    normalizer = StreamNormalizer(MICROPHONE_RATE, 1)
    return normalizer.process(pcm, sample_rate, num_channels) + normalizer.flush()
