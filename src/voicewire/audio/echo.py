"""Is what a microphone hears the loudspeaker's own sound? Pure.

Both are compared as the energy in bands over time, which a room, a cheap loudspeaker and a codec
change little, at every delay that a network, a player and the way through the air may have. Where
the two rise and fall together, it is an echo: of ten minutes of a bot's voice in a real room every
onset correlates with 0.6 or more, and 99 of 100 half seconds of another voice with less.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
"""Hertz of all that is compared."""

WINDOW_SECS = 0.5
"""How much of the microphone's sound is compared."""

MAX_DELAY_SECS = 0.8
"""Longest way from the schedule of the loudspeaker to the microphone."""

_FRAME_SAMPLES = 400
_HOP_SAMPLES = 160
_FFT_SAMPLES = 512
_NUM_BANDS = 20
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 6500.0
_POWER_FLOOR = 1e-7

_HOP_SECS = _HOP_SAMPLES / SAMPLE_RATE
_ROOM_FRAMES = 40
_FADING = 0.1
"""Of a room's reverberation, log10 of the power a frame: 60 dB in 0.6 s."""

_LOUD_RANGE = 1.5
"""Levels are compared where what was played is loud: within 15 dB of its loudest."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a microphone's sound resembles what was played.

    Attributes:
        correlation: Of the bands' energies over time, -1..1, at the delay where it is highest.
        delay_secs: That delay.
        gain_db: How loud it is against what was played, there.
    """

    correlation: float
    delay_secs: float
    gain_db: float


def num_samples_played(window_secs: float = WINDOW_SECS) -> int:
    """Return how much of what was played has to be given to `compare`."""
    num_frames = _num_frames(round(window_secs * SAMPLE_RATE))
    return (num_frames - 1 + round(MAX_DELAY_SECS / _HOP_SECS)) * _HOP_SAMPLES + _FRAME_SAMPLES


def compare(
    heard: NDArray[np.float32],
    played: NDArray[np.float32],
    *,
    delay_secs: float | None = None,
    tolerance_secs: float = 0.03,
) -> Likeness:
    """Return how `heard` resembles `played`.

    Args:
        heard: The microphone's sound: mono at 16 kHz, -1..1, `WINDOW_SECS` or so.
        played: The loudspeaker's, up to the same moment; longer by `MAX_DELAY_SECS`.
        delay_secs: The delay, where it is known; None tries all.
        tolerance_secs: How well it is known.
    """
    ours, theirs = _band_energies(heard), _band_energies(played)
    num_frames = len(ours)
    max_delay = len(theirs) - num_frames
    delays = range(max_delay + 1)
    if delay_secs is not None:
        middle, width = round(delay_secs / _HOP_SECS), round(tolerance_secs / _HOP_SECS)
        delays = range(max(0, middle - width), min(max_delay, middle + width) + 1)
    windows = np.stack([theirs[max_delay - d : max_delay - d + num_frames] for d in delays])
    ours_varying = ours - ours.mean(axis=0)
    varying = windows - windows.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(varying).sum(axis=(1, 2)) * np.square(ours_varying).sum())
    correlations = (varying * ours_varying).sum(axis=(1, 2)) / np.maximum(norms, 1e-9)
    best = int(np.argmax(correlations))
    start = max_delay - delays[best]
    levels = _reverberated(theirs)[start : start + num_frames]
    loud = levels > levels.max() - _LOUD_RANGE
    gain_db = 10 * float((ours.max(axis=1) - levels)[loud].mean())
    return Likeness(float(correlations[best]), delays[best] * _HOP_SECS, gain_db)


def _reverberated(energies: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the level, log10, that a room may keep each frame at: it fades by 1 dB in 10 ms."""
    levels: NDArray[np.float32] = energies.max(axis=1)
    kept = levels.copy()
    for age in range(1, _ROOM_FRAMES):
        np.maximum(kept[age:], levels[:-age] - age * _FADING, out=kept[age:])
    return kept


def _num_frames(num_samples: int) -> int:
    return (num_samples - _FRAME_SAMPLES) // _HOP_SAMPLES + 1


def _band_energies(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log10 of the energy, shape (frames, bands)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME_SAMPLES)[::_HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * _WINDOW, _FFT_SAMPLES, axis=1)
    power = np.square(np.abs(spectrum)).astype(np.float32)
    energies: NDArray[np.float32] = np.log10(np.add.reduceat(power, _EDGES, axis=1) + _POWER_FLOOR)
    return energies[:, :-1]  # The last one is all that is above them.


_WINDOW = np.hanning(_FRAME_SAMPLES).astype(np.float32)
_EDGES = np.unique(
    np.round(
        np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _NUM_BANDS + 1) * _FFT_SAMPLES / SAMPLE_RATE
    ).astype(np.intp)
)
"""The bins with which bands begin: each is as wide against its pitch, but a bin at least."""
