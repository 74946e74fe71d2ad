"""Opus (RFC 6716) by libopus: speech in a tenth of the bytes of PCM. One stream, mono.

The binding is `opuslib-next-bundled` (extra `opus`), with libopus in its wheel.
"""

import ctypes
from typing import Any

from voicewire.audio.pcm import BYTES_PER_SAMPLE, num_bytes
from voicewire.errors import ConfigurationError, MissingExtraError

SAMPLE_RATES = (8000, 12000, 16000, 24000, 48000)
"""Hertz. Both ends choose one of their own: a stream has none."""

FRAME_MS = (10, 20, 40, 60)
"""Milliseconds of audio in a packet of ours. Others may send 2.5 to 120."""

MAX_PACKET_MS = 120
"""RFC 6716, section 3.2.5."""

MAX_SILENT_BYTES = 2
"""A packet of no more bytes says only that the silence lasts: it may stay unsent (`opus.h`)."""

MIN_BITRATE = 6000
MAX_BITRATE = 128_000
"""Bits a second. Where speech begins to be understood, and where nobody hears a difference."""

_VOICE = 3001
"""OPUS_SIGNAL_VOICE, of `opus_defines.h`."""


class OpusEncoder:
    """Codes one stream.

    ::

        encoder = OpusEncoder(16000, bitrate=24_000)
        packet = encoder.encode(pcm)  # encoder.frame_bytes of it

    Attributes:
        frame_bytes: Of s16le in a packet.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        frame_ms: int = 20,
        bitrate: int = 24_000,
        complexity: int = 5,
        dtx: bool = False,
        expected_loss_percent: int = 0,
    ) -> None:
        """Begin a stream.

        Args:
            sample_rate: Hertz of what is coded, one of `SAMPLE_RATES`.
            frame_ms: Of audio in a packet, one of `FRAME_MS`.
            bitrate: Bits a second on average, `MIN_BITRATE` to `MAX_BITRATE`.
            complexity: 0..10. The highest costs four times as much as 0, and half as much again as
                5.
            dtx: Discontinuous transmission: packets of silence have a byte, but for one in 20.
            expected_loss_percent: 0..100. More than 0 takes bits from each packet for a second copy
                of the one before (in-band forward error correction): at 20, from 20 kbit/s on; at
                lower bitrates there is no room for it.

        Raises:
            ConfigurationError: A setting is outside its range.
            MissingExtraError: The package is not installed.
        """
        _check("sample_rate", sample_rate, SAMPLE_RATES)
        _check("frame_ms", frame_ms, FRAME_MS)
        _check("bitrate", bitrate, range(MIN_BITRATE, MAX_BITRATE + 1))
        _check("complexity", complexity, range(11))
        _check("expected_loss_percent", expected_loss_percent, range(101))
        try:
            from opuslib_next import Encoder
        except ImportError as exc:
            raise MissingExtraError("opuslib_next", "opus", needed_for="Opus") from exc
        self._num_samples = sample_rate * frame_ms // 1000
        self.frame_bytes = self._num_samples * BYTES_PER_SAMPLE
        self._encoder: Any = Encoder(sample_rate, 1, "voip")
        self._encoder.bitrate = bitrate
        self._encoder.complexity = complexity
        self._encoder.signal = _VOICE
        self._encoder.dtx = int(dtx)
        self._encoder.inband_fec = int(expected_loss_percent > 0)
        self._encoder.packet_loss_perc = expected_loss_percent

    def encode(self, pcm: bytes) -> bytes:
        """Return the packet of the next `frame_bytes` of s16le.

        Raises:
            ValueError: It is another number of bytes.
        """
        if len(pcm) != self.frame_bytes:
            raise ValueError(f"{len(pcm)} bytes of audio; expected {self.frame_bytes}, a frame")
        packet: bytes = self._encoder.encode(pcm, self._num_samples)
        return packet


class OpusDecoder:
    """Decodes one stream, whatever the frames, the bandwidth and the channels in its packets.

    It has to see the packets in their order, and to be told of those that are lost::

        heard = decoder.recover(packet, 20) + decoder.decode(packet)  # the one before was lost
    """

    def __init__(self, sample_rate: int) -> None:
        """Begin a stream.

        Args:
            sample_rate: Hertz of what comes out, one of `SAMPLE_RATES`.

        Raises:
            ConfigurationError: It is another one.
            MissingExtraError: The package is not installed.
        """
        _check("sample_rate", sample_rate, SAMPLE_RATES)
        try:
            from opuslib_next import Decoder, OpusError
            from opuslib_next.api import c_int16_pointer
            from opuslib_next.api.decoder import libopus_decode
        except ImportError as exc:
            raise MissingExtraError("opuslib_next", "opus", needed_for="Opus") from exc
        self._sample_rate = sample_rate
        self._decoder: Any = Decoder(sample_rate, 1)
        # Its own method makes a Python list of the samples, which takes as long as decoding them.
        self._decode_into: Any = libopus_decode
        self._error: Any = OpusError
        self._room = ctypes.create_string_buffer(num_bytes(MAX_PACKET_MS / 1000, sample_rate, 1))
        self._samples: Any = ctypes.cast(self._room, c_int16_pointer)

    def decode(self, packet: bytes) -> bytes:
        """Return the audio of a packet as s16le.

        Raises:
            ValueError: It is no Opus packet.
        """
        if not packet:
            raise ValueError("not an Opus packet: it is empty")
        return self._run(packet, MAX_PACKET_MS, is_lost=False)

    def recover(self, next_packet: bytes, frame_ms: int) -> bytes:
        """Return the audio of a lost packet by the copy in the next one, to be decoded after it.

        Where there is no copy in it, it is concealed.

        Args:
            next_packet: The one after the lost one.
            frame_ms: How much was in the lost one.

        Raises:
            ValueError: `next_packet` is no Opus packet.
        """
        if not next_packet:
            raise ValueError("not an Opus packet: it is empty")
        return self._run(next_packet, frame_ms, is_lost=True)

    def conceal(self, frame_ms: int) -> bytes:
        """Return what may have been in a packet of which nothing is left: more of the same sound.

        After some 100 ms of it there is silence.
        """
        return self._run(None, frame_ms, is_lost=False)

    def _run(self, packet: bytes | None, frame_ms: int, *, is_lost: bool) -> bytes:
        num_samples = self._decode_into(
            self._decoder.decoder_state,
            packet,
            0 if packet is None else len(packet),
            self._samples,
            self._sample_rate * frame_ms // 1000,
            int(is_lost),
        )
        if num_samples < 0:
            raise ValueError(f"not an Opus packet: {self._error(num_samples)}")
        return ctypes.string_at(self._room, num_samples * BYTES_PER_SAMPLE)


def _check(name: str, value: int, choices: tuple[int, ...] | range) -> None:
    if value not in choices:
        known = (
            f"{choices[0]}..{choices[-1]}"
            if isinstance(choices, range)
            else ", ".join(map(str, choices))
        )
        raise ConfigurationError(f"{name} is {value}; expected one of {known}")
