"""The filter that turns one sample rate into another: a windowed sinc, laid out for NumPy.

soxr, the usual choice, computes in blocks: measured with 20 ms chunks, its HQ and MQ hold back
37 ms from 48 to 16 kHz and up to 115 ms from 8 to 16 kHz. Speech that is answered cannot spare
that. This filter holds back half its own width, 1.5 ms at 16 kHz and 3 ms at 8 kHz, with the same
flatness and rejection (see `benchmarks/resample.py`).

Method: J. O. Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample/, with the
polyphase filters of a whole block as the columns of one matrix.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HALF_WIDTH = 24
"""Zero crossings of the sinc on each side: samples at the lower of both rates."""

KAISER_BETA = 8.0
"""80 dB of rejection; with HALF_WIDTH, flat up to 0.89 of the lower rate's half."""

MIN_BLOCK_SAMPLES = 32
"""Samples out per row of the matrix product: fewer would waste it on small rows."""

MAX_RATIO_TERM = 640
"""The ratio of two rates becomes a fraction of numbers up to this.

All usual pairs fit. For the others the ratio is off by less than 0.1 %, in most by less than the
clocks of two sound cards differ, and the matrix stays small whatever rate a client claims.
"""

_WINDOW_POINTS = 4097
_WINDOW_X = np.linspace(0.0, 1.0, _WINDOW_POINTS)
_WINDOW_Y = np.kaiser(2 * _WINDOW_POINTS - 1, KAISER_BETA)[_WINDOW_POINTS - 1 :]


@dataclass(frozen=True, slots=True, eq=False)
class ResampleFilter:
    """Turns each `block_in` samples into `block_out`.

    Attributes:
        block_in: Samples from one block's begin to the next one's.
        block_out: Samples of a block.
        reach: How many samples after its own position an output sample needs; before it, one fewer.
        matrix: A block's `block_out` samples from the samples around it; one column for each.
    """

    block_in: int
    block_out: int
    reach: int
    matrix: NDArray[np.float32]

    @property
    def span(self) -> int:
        """Samples that one block is made of."""
        return int(self.matrix.shape[0])


# Bounded: clients choose their rates.
@lru_cache(maxsize=32)
def design_filter(from_rate: int, to_rate: int) -> ResampleFilter:
    """Return the filter between two rates in hertz, shared by all streams."""
    low, high = sorted((from_rate, to_rate))
    ratio = Fraction(low, high).limit_denominator(MAX_RATIO_TERM)
    block_in, block_out = ratio.denominator, ratio.numerator
    if to_rate > from_rate:
        block_in, block_out = block_out, block_in
    repeats = -(-MIN_BLOCK_SAMPLES // block_out)
    block_in, block_out = repeats * block_in, repeats * block_out

    stretch = max(1.0, block_in / block_out)  # to lower the rate, cut off at the lower one's half
    reach = int(np.ceil(HALF_WIDTH * stretch))
    step = np.arange(block_out) * block_in
    nearest = step // block_out
    taps = nearest[:, None] + np.arange(2 * reach)
    distance = (taps - (reach - 1) - (step / block_out)[:, None]) / stretch
    window = np.interp(np.abs(distance) / HALF_WIDTH, _WINDOW_X, _WINDOW_Y, right=0.0)
    weights = np.sinc(distance) * window
    weights /= weights.sum(axis=1, keepdims=True)

    matrix = np.zeros((nearest[-1] + 2 * reach, block_out), np.float32)
    matrix[taps, np.arange(block_out)[:, None]] = weights
    return ResampleFilter(block_in, block_out, reach, matrix)
