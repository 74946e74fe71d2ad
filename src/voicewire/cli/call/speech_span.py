"""Where in a recording somebody speaks. Pure."""

from typing import NamedTuple

import numpy as np

from voicewire.audio.pcm import mix_channels, to_float
from voicewire.cli.call.sound import Sound

WINDOW_SECS = 0.01

RELATIVE_LEVEL = 0.05
"""Speech ends where the last window is louder than this part of the loud ones (-26 dB)."""

MIN_LEVEL = 0.002
"""What is softer than this is silence in any recording (-54 dB below full scale)."""


class SpeechSpan(NamedTuple):
    """From the first to the last sound of the voice, in seconds from the recording's begin."""

    start_secs: float
    end_secs: float


def find_speech(sound: Sound) -> SpeechSpan:
    """Return where the speech begins and ends; the whole recording where all of it is silence.

    The threshold follows the level of the recording's loud windows, the louder 5 % of them, so that
    the hiss of a recording does not count as speech.
    """
    samples = to_float(mix_channels(sound.pcm, sound.num_channels, 1))
    window_samples = max(1, round(WINDOW_SECS * sound.sample_rate))
    num_windows = len(samples) // window_samples
    windows = samples[: num_windows * window_samples].reshape(num_windows, window_samples)
    if not num_windows:
        return SpeechSpan(0.0, sound.duration_secs)
    levels = np.sqrt(np.square(windows).mean(axis=1))
    threshold = max(MIN_LEVEL, RELATIVE_LEVEL * float(np.quantile(levels, 0.95)))
    loud = np.flatnonzero(levels > threshold)
    if not len(loud):
        return SpeechSpan(0.0, sound.duration_secs)
    window_secs = window_samples / sound.sample_rate
    return SpeechSpan(int(loud[0]) * window_secs, (int(loud[-1]) + 1) * window_secs)
