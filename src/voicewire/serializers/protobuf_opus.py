"""One client's audio on the protobuf wire as Opus, both ways."""

from voicewire.audio.opus import OpusDecoder, OpusEncoder
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import InputAudioRawFrame, OutputAudioRawFrame
from voicewire.serializers.raw_audio import Writer

MESSAGE_SECS = 0.02
"""Of audio in each message."""

BITRATE = 32_000
"""Of what the bot says: a twelfth of PCM at 24 kHz."""

INPUT_RATE = 16_000
"""Hertz of what the caller says: what services work with. A packet can be decoded at any rate."""


class OpusVoice:
    """Codes what the bot says, and decodes what the caller says.

    Args:
        sample_rate: Hertz of what the bot says, mono.

    Raises:
        ConfigurationError: Opus has no such rate.
        MissingExtraError: The package is not installed.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        frame_ms = round(MESSAGE_SECS * 1000)
        encoder = OpusEncoder(sample_rate, frame_ms=frame_ms, bitrate=BITRATE, dtx=True)
        self._writer = Writer(encoder.encode, encoder.frame_bytes)
        self._decoder = OpusDecoder(INPUT_RATE)

    def encode(self, frame: OutputAudioRawFrame) -> bytes | None:
        """Return the next packet; None while there is less than `MESSAGE_SECS`.

        Raises:
            FrameEncodeError: It is in another format than what was agreed.
        """
        if frame.sample_rate != self._sample_rate or frame.num_channels != 1:
            raise FrameEncodeError(
                f"{type(frame).__name__} cannot be sent: {frame.sample_rate} Hz, "
                f"{frame.num_channels} channels; expected {self._sample_rate} Hz, mono"
            )
        return self._writer.write(frame.audio)

    def drop(self) -> None:
        """Forget what is less than a message: something else follows it."""
        self._writer.drop()

    def decode(self, packet: bytes) -> InputAudioRawFrame:
        """Return what the caller says.

        Raises:
            FrameDecodeError: "malformed_opus": it is no packet.
        """
        try:
            return InputAudioRawFrame(self._decoder.decode(packet), INPUT_RATE, 1)
        except ValueError as exc:
            raise FrameDecodeError("malformed_opus", f"opus: {exc}") from None
