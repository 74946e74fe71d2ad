"""The audio of the raw wire: messages to s16le, and s16le to messages of one size."""

from collections.abc import Callable
from typing import Protocol

from voicewire.audio.g722 import SAMPLE_RATE as G722_RATE
from voicewire.audio.g722 import G722Decoder, G722Encoder
from voicewire.audio.opus import OpusDecoder, OpusEncoder
from voicewire.audio.pcm import num_bytes
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.serializers.codecs import PCMA, PCMU, AudioCodec, l16
from voicewire.serializers.raw_hello import AudioSettings, OutputSettings

MAX_RESTORED_MS = 100
"""Lost audio that is made up for: concealment has nothing to say after that."""

FEC_LOSS_PERCENT = 20
"""What the encoder is told of the network by a device that asks for copies: at less, there are none
in 24 kbit/s."""


class Reader(Protocol):
    """Decodes what a device says."""

    def read(self, data: bytes) -> bytes | None:
        """Return the s16le of a message; None where it only says that something is missing.

        Raises:
            FrameDecodeError: It is not what was agreed.
        """


class PlainReader:
    """Reads what can be decoded however it is cut."""

    def __init__(self, codec: AudioCodec) -> None:
        self._codec = codec

    def read(self, data: bytes) -> bytes:
        return self._codec.decode_checked(data)


class OpusReader:
    """Reads Opus packets, one in a message.

    An empty message stands for a packet that was lost on its way to the device's network, and so
    does one that is no packet: the next one restores it.
    """

    def __init__(self, settings: AudioSettings) -> None:
        self._decoder = OpusDecoder(settings.sample_rate)
        self._frame_ms = settings.frame_ms
        self._num_lost = 0

    def read(self, data: bytes) -> bytes | None:
        if not data:
            self._lose()
            return None
        try:
            return self._restore(data) + self._decoder.decode(data)
        except ValueError as exc:
            self._lose()
            raise FrameDecodeError("malformed_opus", f"audio: {exc}") from None

    def _lose(self) -> None:
        self._num_lost = min(self._num_lost + 1, MAX_RESTORED_MS // self._frame_ms)

    def _restore(self, next_packet: bytes) -> bytes:
        """Return what was lost: the newest of it by the copy in the next packet."""
        if not self._num_lost:
            return b""
        num_concealed, self._num_lost = self._num_lost - 1, 0
        concealed = [self._decoder.conceal(self._frame_ms) for _ in range(num_concealed)]
        return b"".join(concealed) + self._decoder.recover(next_packet, self._frame_ms)


class Writer:
    """Cuts what a device plays into messages, each of exactly one frame.

    Args:
        encode: Codes a frame of s16le.
        frame_bytes: Of s16le in it.
    """

    def __init__(self, encode: Callable[[bytes], bytes], frame_bytes: int) -> None:
        self._encode = encode
        self._frame_bytes = frame_bytes
        self._rest = b""

    def write(self, pcm: bytes) -> bytes | None:
        """Return the next message; None while there is less than a frame.

        Raises:
            FrameEncodeError: It is more audio than a message holds.
        """
        if len(pcm) > self._frame_bytes:
            raise FrameEncodeError(
                f"{len(pcm)} bytes of audio at once; expected at most {self._frame_bytes}, a frame"
            )
        pcm = self._rest + pcm
        if len(pcm) < self._frame_bytes:
            self._rest = pcm
            return None
        self._rest = pcm[self._frame_bytes :]
        return self._encode(pcm[: self._frame_bytes])

    def drop(self) -> None:
        """Forget what is less than a frame: something else follows it."""
        self._rest = b""


def open_reader(settings: AudioSettings) -> Reader:
    """Return what decodes a device's audio.

    Raises:
        MissingExtraError: The codec's package is not installed.
    """
    if settings.codec == "opus":
        return OpusReader(settings)
    return PlainReader(_plain_codec(settings))


def open_writer(settings: OutputSettings) -> Writer:
    """Return what codes a device's audio.

    Raises:
        MissingExtraError: The codec's package is not installed.
    """
    frame_bytes = num_bytes(settings.frame_ms / 1000, settings.sample_rate, 1)
    if settings.codec == "opus":
        encoder = OpusEncoder(
            settings.sample_rate,
            frame_ms=settings.frame_ms,
            bitrate=settings.bitrate,
            dtx=settings.dtx,
            expected_loss_percent=FEC_LOSS_PERCENT if settings.fec else 0,
        )
        return Writer(encoder.encode, frame_bytes)
    return Writer(_plain_codec(settings).encode, frame_bytes)


def _plain_codec(settings: AudioSettings) -> AudioCodec:
    if settings.codec == "g722":
        return AudioCodec("G722", G722_RATE, 1, G722Encoder().encode, G722Decoder().decode)
    codecs = {"pcmu": PCMU, "pcma": PCMA}
    return codecs.get(settings.codec) or l16(settings.sample_rate)
