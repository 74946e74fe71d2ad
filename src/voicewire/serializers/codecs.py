"""The codings of audio that telephone wires carry, to and from s16le."""

from collections.abc import Callable
from dataclasses import dataclass

from voicewire.audio.format import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from voicewire.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from voicewire.errors import FrameDecodeError

TELEPHONE_RATE = 8000
"""Hertz. The one of G.711."""


@dataclass(frozen=True, slots=True)
class AudioCodec:
    """One coding of mono audio.

    Attributes:
        name: "PCMU", "PCMA" or "L16", as in RFC 3551; L16 is little-endian here.
        sample_rate: Hertz.
        bytes_per_sample: Of the coded audio.
        encode: From s16le.
        decode: To s16le.
    """

    name: str
    sample_rate: int
    bytes_per_sample: int
    encode: Callable[[bytes], bytes]
    decode: Callable[[bytes], bytes]

    def decode_checked(self, coded: bytes) -> bytes:
        """Return the s16le in a peer's message.

        Raises:
            FrameDecodeError: "empty_audio" or "partial_sample".
        """
        if not coded:
            raise FrameDecodeError("empty_audio", "audio: no samples; expected at least one")
        if len(coded) % self.bytes_per_sample:
            message = f"audio: {len(coded)} bytes of {self.name}; expected whole 16-bit samples"
            raise FrameDecodeError("partial_sample", message)
        return self.decode(coded)


def _as_it_is(pcm: bytes) -> bytes:
    return pcm


PCMU = AudioCodec("PCMU", TELEPHONE_RATE, 1, pcm_to_ulaw, ulaw_to_pcm)
PCMA = AudioCodec("PCMA", TELEPHONE_RATE, 1, pcm_to_alaw, alaw_to_pcm)


def l16(sample_rate: int) -> AudioCodec:
    """Return 16-bit PCM at a rate in hertz."""
    return AudioCodec("L16", sample_rate, 2, _as_it_is, _as_it_is)


_CODECS_BY_NAME = {
    "pcmu": "PCMU",
    "ulaw": "PCMU",
    "mulaw": "PCMU",
    "audio/x-mulaw": "PCMU",
    "audio/pcmu": "PCMU",
    "pcma": "PCMA",
    "alaw": "PCMA",
    "audio/x-alaw": "PCMA",
    "audio/pcma": "PCMA",
    "l16": "L16",
    "linear16": "L16",
    "slin": "L16",
    "raw/slin": "L16",
    "base64": "L16",  # Exotel, in some applets
    "audio/l16": "L16",
    "audio/x-l16": "L16",
}


def codec_named(name: str, sample_rate: int) -> AudioCodec | None:
    """Return the codec that a provider calls `name`; None for one that is not supported.

    G.711 knows only 8 kHz.
    """
    known = _CODECS_BY_NAME.get(name.lower())
    if known == "L16" and MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        return l16(sample_rate)
    if known == "PCMU" and sample_rate == TELEPHONE_RATE:
        return PCMU
    if known == "PCMA" and sample_rate == TELEPHONE_RATE:
        return PCMA
    return None
