import numpy as np
import pytest
from numpy.typing import NDArray

from voicewire.services.local.mel import HOP_SAMPLES, SAMPLE_RATE, log_mel


def mel_of_hz(hz: float) -> float:
    """Slaney's scale."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def log_mel_by_the_book(samples: NDArray[np.float32], num_columns: int) -> NDArray[np.float64]:
    """Whisper's features with a discrete Fourier transform and triangles written out."""
    padded = np.zeros(num_columns * HOP_SAMPLES)
    padded[: len(samples)] = samples
    padded = np.pad(padded, 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    transform = np.exp(-2j * np.pi * np.outer(np.arange(400), np.arange(201)) / 400)
    bins = np.array([mel_of_hz(hz) for hz in np.arange(201) * SAMPLE_RATE / 400])
    edges = np.linspace(0, mel_of_hz(SAMPLE_RATE / 2), 82)
    hz_of_edge = np.interp(edges, bins, np.arange(201) * 40.0)  # close enough to weigh areas
    features = np.zeros((80, num_columns))
    for column in range(num_columns):
        frame = padded[column * HOP_SAMPLES :][:400] * window
        power = np.abs(frame @ transform) ** 2
        for band in range(80):
            low, middle, high = hz_of_edge[band : band + 3]
            hz = np.arange(201) * 40.0
            rising, falling = (hz - low) / (middle - low), (high - hz) / (high - middle)
            weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
            features[band, column] = weights @ power
    features = np.log10(np.maximum(features, 1e-10))
    floored: NDArray[np.float64] = np.maximum(features, features.max() - 8)
    return (floored + 4) / 4


@pytest.fixture
def chirp() -> NDArray[np.float32]:
    """Return half a second that sweeps from 200 Hz to 6 kHz, with a little noise."""
    seconds = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    noise = np.random.default_rng(1).standard_normal(len(seconds)) * 0.01
    sweep = np.sin(2 * np.pi * (200 + 5800 * seconds) * seconds)
    return (0.5 * sweep + noise).astype(np.float32)


def test_features_are_whispers(chirp: NDArray[np.float32]) -> None:
    expected = log_mel_by_the_book(chirp, 60)
    assert np.abs(log_mel(chirp, 60) - expected).max() < 0.02


def test_silence_after_the_speech_may_be_given_or_left_out(chirp: NDArray[np.float32]) -> None:
    padded = np.concatenate([chirp, np.zeros(SAMPLE_RATE, np.float32)])
    np.testing.assert_allclose(log_mel(chirp, 150), log_mel(padded, 150), atol=1e-6)


@pytest.mark.parametrize("num_samples", [0, 1, 7, 159, 160, 161, 399, 400, 401, 16000])
def test_any_length_gives_the_columns_asked_for(num_samples: int) -> None:
    features = log_mel(np.full(num_samples, 0.1, np.float32), 50)
    assert features.shape == (80, 50)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_what_does_not_fit_is_cut_off(chirp: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(log_mel(chirp, 20), log_mel(chirp[: 20 * HOP_SAMPLES], 20))
