"""Whisper's log-mel features in NumPy. Pure.

The recipe is `whisper/audio.py` of github.com/openai/whisper: a short-time Fourier transform of 400
samples every 160 under a periodic Hann window, 80 bands on Slaney's mel scale, a logarithm whose
range is cut 8 decades of ten below its maximum.
"""

import functools

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
"""Hz; what Whisper was trained on."""

HOP_SAMPLES = 160
"""Samples from one column of the features to the next: 10 ms."""

_WINDOW_SAMPLES = 400
_NUM_BANDS = 80
_POWER_FLOOR = 1e-10
_RANGE_LOG10 = 8.0

_BLOCK_COLUMNS = 16
"""16 · 201 · 80 is less than the 4 · 65536 multiplications above which OpenBLAS uses threads.

See `interface/gemm.c` of github.com/OpenMathLib/OpenBLAS.
"""

# Slaney's scale, "Auditory Toolbox" (1998): linear below 1 kHz, logarithmic above.
_LINEAR_HZ_PER_MEL = 200 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def log_mel(samples: NDArray[np.float32], num_columns: int) -> NDArray[np.float32]:
    """Return the features of `samples` followed by silence, shape (80, `num_columns`).

    Args:
        samples: Mono at 16 kHz, -1..1.
        num_columns: How many 10 ms columns; what does not fit in them is cut off at the end.
    """
    samples = samples[: num_columns * HOP_SAMPLES]
    # Silence needs no transform: only the columns whose window touches the samples are computed.
    reach = len(samples) + _WINDOW_SAMPLES // 2
    num_heard = min(num_columns, -(-reach // HOP_SAMPLES))
    padded_length = (num_heard - 1) * HOP_SAMPLES + _WINDOW_SAMPLES
    padded = np.zeros(max(padded_length, len(samples) + _WINDOW_SAMPLES), np.float32)
    half = _WINDOW_SAMPLES // 2
    padded[half : half + len(samples)] = samples
    mirrored = min(half, max(0, len(samples) - 1))
    padded[half - mirrored : half] = samples[mirrored:0:-1]

    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames[:num_heard] * _hann(), axis=1)
    power = np.square(np.abs(spectrum)).astype(np.float32)
    heard = np.log10(np.maximum(_apply_bands(power).T, _POWER_FLOOR))

    features = np.full((_NUM_BANDS, num_columns), np.log10(_POWER_FLOOR), np.float32)
    features[:, :num_heard] = heard
    np.maximum(features, features.max() - _RANGE_LOG10, out=features)
    features += 4.0
    features /= 4.0
    return features


def _apply_bands(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power in each band; shape (columns, 201) becomes (columns, 80).

    In blocks so small that OpenBLAS does not hand them to threads: those would gain nothing here,
    and spin for longer afterwards than the whole transform takes.
    """
    num_columns, num_bins = power.shape
    num_blocks = -(-num_columns // _BLOCK_COLUMNS)
    blocks = np.zeros((num_blocks * _BLOCK_COLUMNS, num_bins), np.float32)
    blocks[:num_columns] = power
    bands = blocks.reshape(num_blocks, _BLOCK_COLUMNS, num_bins) @ _mel_bands().T
    return bands.reshape(-1, _NUM_BANDS)[:num_columns]


@functools.cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@functools.cache
def _mel_bands() -> NDArray[np.float32]:
    """Return triangular filters of equal area, shape (80, 201)."""
    bins_hz = np.linspace(0, SAMPLE_RATE / 2, _WINDOW_SAMPLES // 2 + 1)
    top_mel = _LOG_START_MEL + np.log(SAMPLE_RATE / 2 / _LOG_START_HZ) / _LOG_STEP
    edges_hz = _mel_to_hz(np.linspace(0.0, top_mel, _NUM_BANDS + 2))
    widths_hz = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bins_hz
    rising = -ramps[:-2] / widths_hz[:-1, None]
    falling = ramps[2:] / widths_hz[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = 2 / (edges_hz[2:] - edges_hz[:-2])
    return np.ascontiguousarray(triangles * area[:, None], dtype=np.float32)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - _LOG_START_MEL))
    return np.where(mel < _LOG_START_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)
