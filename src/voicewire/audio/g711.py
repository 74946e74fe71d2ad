"""G.711: the two companded codings of telephone speech, one byte a sample. Pure functions.

Bit-exact with the reference software of the standard (ITU-T G.191, `g711.c`): 16-bit samples are
cut to the 14 bits of mu-law or the 13 bits of A-law, not rounded. Both are lookups: 65,536 entries
to encode, 256 to decode.
"""

import numpy as np
from numpy.typing import NDArray

_ULAW_BIAS = 33
_ULAW_CLIP = 0x1FFF
_ALAW_TOGGLE = 0x55
"""Every other bit is inverted on the line (G.711, section 3.2)."""


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """Return s16le as mu-law.

    Raises:
        ValueError: `pcm` ends within a sample.
    """
    return _ULAW_OF_PCM.take(np.frombuffer(pcm, "<u2")).tobytes()


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    """Return mu-law as s16le."""
    return _PCM_OF_ULAW.take(np.frombuffer(ulaw, np.uint8)).tobytes()


def pcm_to_alaw(pcm: bytes) -> bytes:
    """Return s16le as A-law.

    Raises:
        ValueError: `pcm` ends within a sample.
    """
    return _ALAW_OF_PCM.take(np.frombuffer(pcm, "<u2")).tobytes()


def alaw_to_pcm(alaw: bytes) -> bytes:
    """Return A-law as s16le."""
    return _PCM_OF_ALAW.take(np.frombuffer(alaw, np.uint8)).tobytes()


def _ulaw_of_pcm() -> NDArray[np.uint8]:
    samples, one_complement = _samples()
    magnitude = np.minimum((one_complement >> 2) + _ULAW_BIAS, _ULAW_CLIP)
    segment = _bit_length(magnitude) - 6
    step = (magnitude >> (segment + 1)) & 0x0F
    code = 0x7F - (segment << 4 | step)
    codes: NDArray[np.uint8] = np.where(samples >= 0, code | 0x80, code).astype(np.uint8)
    return codes


def _alaw_of_pcm() -> NDArray[np.uint8]:
    samples, one_complement = _samples()
    magnitude = one_complement >> 4
    segment = np.maximum(_bit_length(magnitude) - 4, 0)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 0x0F
    code = segment << 4 | step
    codes = np.where(samples >= 0, code | 0x80, code) ^ _ALAW_TOGGLE
    toggled: NDArray[np.uint8] = codes.astype(np.uint8)
    return toggled


def _pcm_of_ulaw() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0xFF
    segment, step = code >> 4 & 0x07, code & 0x0F
    magnitude = ((step << 1 | _ULAW_BIAS) << segment) - _ULAW_BIAS
    samples: NDArray[np.int16] = np.where(code & 0x80, -magnitude, magnitude).astype("<i2")
    return samples << 2


def _pcm_of_alaw() -> NDArray[np.int16]:
    code = np.arange(256) ^ _ALAW_TOGGLE
    segment, step = code >> 4 & 0x07, code & 0x0F
    in_line = (step | np.where(segment, 0x10, 0)) << 4 | 0x08  # the middle of its interval
    magnitude = in_line << np.maximum(segment - 1, 0)
    samples: NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype("<i2")
    return samples


def _samples() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the 16-bit samples in the order of their bits, and what the standard cuts them from.

    That is the sample itself, or its ones' complement where it is negative.
    """
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return samples, np.where(samples < 0, ~samples, samples).astype(np.int32)


def _bit_length(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.frexp(numbers)[1]


_ULAW_OF_PCM = _ulaw_of_pcm()
_ALAW_OF_PCM = _alaw_of_pcm()
_PCM_OF_ULAW = _pcm_of_ulaw()
_PCM_OF_ALAW = _pcm_of_alaw()
