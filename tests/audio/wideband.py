"""What the tests of the speech codecs share: real speech, and how alike two sounds are."""

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.conftest import DATA
from voicewire.audio.pcm import parse_wav

SPEECH_RATE = 16_000


def speech(sample_rate: int = SPEECH_RATE) -> bytes:
    """Return seven seconds of a reader's voice, mono s16le."""
    pcm, own_rate, _ = parse_wav((DATA / "speech" / "sense_0870.wav").read_bytes())
    return bytes(soxr.resample(np.frombuffer(pcm, "<i2"), own_rate, sample_rate).data)


def frames_of(pcm: bytes, frame_bytes: int) -> list[bytes]:
    """Return the whole frames of a recording."""
    ends = range(frame_bytes, len(pcm) + 1, frame_bytes)
    return [pcm[end - frame_bytes : end] for end in ends]


def samples_of(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def delayed(pcm: bytes, num_samples: int) -> bytes:
    """Return a recording as it is heard so much later."""
    return (bytes(2 * num_samples) + pcm)[: len(pcm)]


def delay_of(heard: bytes, said: bytes, max_samples: int) -> int:
    """Return after how many samples `heard` is most like `said`."""
    later, sooner = samples_of(heard), samples_of(said)
    length = min(len(sooner), len(later) - max_samples, 40 * max_samples)
    sooner = sooner[:length]
    delays = range(max_samples)
    return max(delays, key=lambda by: float(np.dot(later[by : by + length], sooner)))


def likeness(first: bytes, second: bytes) -> float:
    """Return the correlation of two sounds, sample by sample: 1 is the same."""
    return float(np.corrcoef(samples_of(first), samples_of(second))[0, 1])
