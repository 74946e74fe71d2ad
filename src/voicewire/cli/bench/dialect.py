"""Wire formats: how a caller's audio becomes a message, and what a server's message is."""

import json
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import DecodeError

from voicewire.audio.pcm import is_wav, parse_wav
from voicewire.serializers.protos import frames_pb2 as proto


class Audio(NamedTuple):
    """Audio from the server.

    Attributes:
        pcm: Interleaved s16le.
        sample_rate: Hertz.
        num_channels: 1 is mono.
    """

    pcm: bytes
    sample_rate: int
    num_channels: int

    @property
    def secs(self) -> float:
        return len(self.pcm) / (2 * self.sample_rate * self.num_channels)


class Dialect(Protocol):
    """A wire format. A second one is a class like `ProtobufDialect` and a line in `DIALECTS`."""

    def audio_message(self, audio: Audio) -> bytes | str:
        """Return a caller's message: bytes for a binary one, str for a text one."""
        ...

    def read(self, message: bytes | str) -> Audio | dict[str, Any] | None:
        """Return a server's audio, its JSON object, or None for anything else."""
        ...


class ProtobufDialect:
    """Pipecat's protobuf frames (`serializers/protos/frames.proto`)."""

    def audio_message(self, audio: Audio) -> bytes:
        content = proto.AudioRawFrame(
            audio=audio.pcm, sample_rate=audio.sample_rate, num_channels=audio.num_channels
        )
        return proto.Frame(audio=content).SerializeToString()

    def read(self, message: bytes | str) -> Audio | dict[str, Any] | None:
        if isinstance(message, str):
            return None
        try:
            frame = proto.Frame.FromString(message)
        except DecodeError:
            return None
        which = frame.WhichOneof("frame")
        if which == "audio":
            return _read_audio(frame.audio)
        return _read_json(frame.message.data) if which == "message" else None


def _read_audio(content: proto.AudioRawFrame) -> Audio | None:
    pcm, sample_rate, num_channels = content.audio, content.sample_rate, content.num_channels
    if is_wav(pcm):
        try:
            pcm, sample_rate, num_channels = parse_wav(pcm)
        except ValueError:
            return None
    return Audio(pcm, sample_rate, num_channels) if pcm and sample_rate and num_channels else None


def _read_json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


DIALECTS: dict[str, type[Dialect]] = {"protobuf": ProtobufDialect}
"""By the name that `--dialect` takes."""
