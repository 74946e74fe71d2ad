"""Audio that says which part of an utterance it is; for both sides, with NumPy alone.

Every 20 ms are one block, and each sample of a block is the block's number. So whoever hears it can
tell what is missing, what came twice, and whose audio it is.
"""

import numpy as np

SAMPLE_RATE = 16000
BLOCK_SAMPLES = 320
BLOCK_SECS = BLOCK_SAMPLES / SAMPLE_RATE
MAX_BLOCKS = 1 << 15
"""Numbers fit into 16 bits with a sign; what is negative is nobody's."""


def blocks(first: int, num_blocks: int) -> bytes:
    """Return blocks as mono s16le; the numbers begin anew behind the last one."""
    numbers = np.arange(first, first + num_blocks) % MAX_BLOCKS
    return np.repeat(numbers, BLOCK_SAMPLES).astype("<i2").tobytes()


class Heard:
    """What has been heard of numbered audio.

    Attributes:
        num_samples: Of each block.
    """

    def __init__(self) -> None:
        self.num_samples = np.zeros(MAX_BLOCKS, np.int64)

    def add(self, pcm: bytes) -> None:
        """Take note of mono s16le."""
        samples = np.frombuffer(pcm, "<i2")
        np.add.at(self.num_samples, samples[samples >= 0], 1)

    def missing(self, numbers: range) -> int:
        """Return how many of these blocks have not been heard in full."""
        return int(np.count_nonzero(self._of(numbers) < BLOCK_SAMPLES))

    def repeated(self, numbers: range) -> int:
        """Return how many of these blocks have been heard more than once."""
        return int(np.count_nonzero(self._of(numbers) > BLOCK_SAMPLES))

    def any_of(self, numbers: range) -> bool:
        """Return whether a sample of these blocks has been heard."""
        return bool(self._of(numbers).any())

    def any_outside(self, numbers: range) -> bool:
        """Return whether a sample of other blocks has been heard."""
        return bool(self.num_samples.sum() > self._of(numbers).sum())

    def _of(self, numbers: range) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return self.num_samples[list(numbers)]
