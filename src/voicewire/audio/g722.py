"""G.722: 7 kHz of speech in 64 kbit/s, as IP telephones and radio studios have it.

The binding is `G722` (extra `g722`), which has passed the tests of the ITU.
"""

from typing import Any

import numpy as np

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.errors import MissingExtraError

SAMPLE_RATE = 16_000
"""Hertz."""

_BITRATE = 64_000
_PAIR_BYTES = 2 * BYTES_PER_SAMPLE
"""Two samples make a byte."""


class G722Encoder:
    """Codes one stream of mono s16le.

    Raises:
        MissingExtraError: The package is not installed.
    """

    def __init__(self) -> None:
        self._codec = _open()

    def encode(self, pcm: bytes) -> bytes:
        """Return a byte for every two samples.

        Raises:
            ValueError: It is an odd number of samples, or ends within one.
        """
        if len(pcm) % _PAIR_BYTES:
            raise ValueError(f"{len(pcm)} bytes of audio; expected a multiple of {_PAIR_BYTES}")
        coded: bytes = self._codec.encode(np.frombuffer(pcm, "<i2"))
        return coded


class G722Decoder:
    """Decodes one stream to mono s16le. Any bytes are G.722.

    Raises:
        MissingExtraError: The package is not installed.
    """

    def __init__(self) -> None:
        self._codec = _open()

    def decode(self, coded: bytes) -> bytes:
        """Return two samples for every byte."""
        return np.asarray(self._codec.decode(coded), "<i2").tobytes()


def _open() -> Any:
    try:
        from G722 import G722
    except ImportError as exc:
        raise MissingExtraError("G722", "g722", needed_for="G.722") from exc
    return G722(SAMPLE_RATE, _BITRATE, use_numpy=False)
