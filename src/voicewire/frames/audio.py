"""Audio: interleaved signed 16-bit little-endian PCM."""

from dataclasses import dataclass

from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs
from voicewire.frames.base import DataFrame, SystemFrame


class AudioRawFrame:
    """What all audio frames share: `isinstance(frame, AudioRawFrame)` is true for each of them.

    Attributes:
        audio: Interleaved s16le samples.
        sample_rate: Hertz.
        num_channels: 1 is mono, 2 is stereo.
    """

    __slots__ = ()

    audio: bytes
    sample_rate: int
    num_channels: int

    @property
    def num_frames(self) -> int:
        """Samples per channel."""
        return len(self.audio) // (self.num_channels * BYTES_PER_SAMPLE)

    @property
    def duration_secs(self) -> float:
        return duration_secs(len(self.audio), self.sample_rate, self.num_channels)

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}({self.num_frames} samples, "
            f"{self.sample_rate} Hz, {self.num_channels} ch)"
        )


@dataclass(slots=True, eq=False, repr=False)
class InputAudioRawFrame(AudioRawFrame, SystemFrame):
    """Sound from the caller's microphone."""

    audio: bytes
    sample_rate: int
    num_channels: int

    __repr__ = AudioRawFrame.__str__


@dataclass(slots=True, eq=False, repr=False)
class OutputAudioRawFrame(AudioRawFrame, DataFrame):
    """Sound for the caller's loudspeaker."""

    audio: bytes
    sample_rate: int
    num_channels: int

    __repr__ = AudioRawFrame.__str__


@dataclass(slots=True, eq=False, repr=False)
class TTSAudioRawFrame(OutputAudioRawFrame):
    """Sound for the caller's loudspeaker that a text-to-speech service made.

    Attributes:
        context_id: Which of the service's utterances it belongs to.
    """

    context_id: str | None = None
