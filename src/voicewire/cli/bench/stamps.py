"""Numbers hidden in audio, so that an echo tells which frame it is. Pure.

The lowest bits of a frame's first samples are replaced: at -90 dBFS nobody hears that. Every frame
of a recording begins differently then, the silent ones too, and a table of these beginnings finds a
frame again in whatever comes back sample by sample.
"""

from binascii import crc_hqx
from collections.abc import Iterable

import numpy as np

STAMP_SAMPLES = 32
"""16 bits of the number and 16 of its checksum, one in each sample."""

STAMP_BYTES = 2 * STAMP_SAMPLES

MAX_FRAMES = 1 << 16


def stamp(pcm: bytes, number: int) -> bytes:
    """Return a frame of mono s16le that carries `number`, 0 .. `MAX_FRAMES` - 1."""
    plain = number.to_bytes(2, "big")
    # A checksum keeps one stamp in silence from looking like another one that has been shifted.
    checked = plain + crc_hqx(plain, 0xFFFF).to_bytes(2, "big")
    bits = np.unpackbits(np.frombuffer(checked, np.uint8)).astype("<i2")
    samples = np.frombuffer(pcm, "<i2").copy()
    samples[:STAMP_SAMPLES] = (samples[:STAMP_SAMPLES] & ~1) | bits
    return samples.tobytes()


class StampTable:
    """Finds frames of a recording by how they begin."""

    def __init__(self, frames: Iterable[bytes]) -> None:
        """Take the stamped frames in their order."""
        self._numbers = {frame[:STAMP_BYTES]: i for i, frame in enumerate(frames)}

    def at(self, pcm: bytes, position: int) -> int | None:
        """Return the number of the frame that begins at a byte of `pcm`; None where none does."""
        return self._numbers.get(pcm[position : position + STAMP_BYTES])

    def find(self, pcm: bytes) -> tuple[int, int] | None:
        """Return the byte at which a frame begins, and its number; None where none does."""
        for position in range(0, len(pcm) - STAMP_BYTES + 1, 2):
            number = self.at(pcm, position)
            if number is not None:
                return position, number
        return None
