"""Recordings for a browser's microphone, and what Whisper hears in what a page has played."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tests.browser.chromium import Heard
from tests.conftest import DATA
from voicewire.audio.pcm import parse_wav, wav_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.services.local.voice import HibariEngine
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine

SPEECH = DATA / "speech"
MICROPHONE_RATE = 48_000

Result = TypeVar("Result")


def write_recording(path: Path, *parts: float | str) -> Path:
    """Write a WAV file of silences, in seconds, and recordings, by their names."""
    pcm = b""
    for part in parts:
        if isinstance(part, str):
            pcm += _converted(*parse_wav((SPEECH / part).read_bytes()), MICROPHONE_RATE)
        else:
            pcm += bytes(round(part * MICROPHONE_RATE) * 2)
    path.write_bytes(wav_bytes(pcm, MICROPHONE_RATE, 1))
    return path


def words_heard(heard: Heard) -> str:
    """Return what Whisper understands of what was played."""
    pcm = (heard.samples * 32767).astype("<i2").tobytes()
    mono = _converted(pcm, heard.sample_rate, 1, WHISPER_SAMPLE_RATE)
    return _run(lambda: _transcribe(mono))


def load_models() -> None:
    """Load what hears and what speaks."""

    async def load() -> None:
        await asyncio.gather(WhisperEngine.shared().ready(), HibariEngine.shared().ready())

    _run(load)


def _run(make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    # In a thread: Playwright's event loop is that of this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(make())).result()


async def _transcribe(mono: bytes) -> str:
    return (await WhisperEngine.shared().transcribe(mono)).text


def _converted(pcm: bytes, rate: int, channels: int, to_rate: int) -> bytes:
    normalizer = StreamNormalizer(to_rate, 1)
    return normalizer.process(pcm, rate, channels) + normalizer.flush()
