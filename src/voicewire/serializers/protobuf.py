"""Pipecat's protobuf wire, which its JavaScript, Python and mobile clients speak."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import BYTES_PER_SAMPLE, is_wav, parse_wav
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
    TranscriptionFrame,
)
from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.protobuf_fault import explain_fault
from voicewire.serializers.protobuf_opus import OpusVoice
from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.serializers.strict_json import decode_json, encode_json


class ProtobufFrameSerializer(FrameSerializer):
    """One WebSocket binary message holds one `Frame` of `protos/frames.proto`.

    | Message | In | Out, and subclasses of it |
    |---|---|---|
    | audio | `InputAudioRawFrame` | `OutputAudioRawFrame` |
    | text | `TextFrame` | `TextFrame`, but for `InterimTranscriptionFrame` |
    | transcription | `TranscriptionFrame` | `TranscriptionFrame` |
    | message | `InputTransportMessageFrame` | `OutputTransportMessage(Urgent)Frame` |
    | interruption | `InterruptionFrame` | `InterruptionFrame`, with `send_interruptions` |
    | opus | `InputAudioRawFrame` | `OutputAudioRawFrame`; both after `use_opus` |

    Audio that is a whole WAV file, as Pipecat's Python client sends it, is unwrapped.
    """

    carries_rtvi = True
    dialect = "protobuf"

    def __init__(self, *, send_interruptions: bool = False) -> None:
        """Make a serializer for one connection.

        Args:
            send_interruptions: Whether the client knows the interruption message. Pipecat's
                JavaScript client does not.
        """
        encoders: dict[type[Frame], _Encoder | None] = dict(_ENCODERS)
        if send_interruptions:
            encoders[InterruptionFrame] = _encode_interruption
        self._encoders = encoders
        self._encoder_of_type: dict[type[Frame], _Encoder | None] = {}
        self._audio_mould = _NO_MOULD
        self._opus: OpusVoice | None = None

    def knows(self, first_message: bytes | str) -> bool:
        try:
            self.deserialize(first_message)
        except FrameDecodeError:
            return False
        return True

    def leave_words_to_rtvi(self) -> None:
        self._encoders |= {TextFrame: None, TranscriptionFrame: None}
        self._encoder_of_type.clear()

    def use_opus(self, sample_rate: int) -> None:
        """Send audio as Opus from now on, and understand it.

        Args:
            sample_rate: Hertz of the mono audio that `serialize` will be given, at most 20 ms of it
                at a time.

        Raises:
            ConfigurationError: Opus has no such rate.
            MissingExtraError: The package is not installed.
        """
        self._opus = OpusVoice(sample_rate)

    def serialize(self, frame: Frame) -> bytes | None:
        if self._opus is not None:
            if isinstance(frame, OutputAudioRawFrame):
                packet = self._opus.encode(frame)
                return None if packet is None else _opus_message(packet)
            if isinstance(frame, InterruptionFrame):
                self._opus.drop()
        frame_type = type(frame)
        try:
            encode = self._encoder_of_type[frame_type]
        except KeyError:
            known = (base for base in frame_type.__mro__ if base in self._encoders)
            encode = self._encoders[next(known, Frame)]
            self._encoder_of_type[frame_type] = encode
        if encode is None:
            return None
        try:
            return encode(frame).SerializeToString()
        except FrameEncodeError:
            raise
        except (TypeError, ValueError) as exc:  # protobuf: a wrong type, an integer out of range
            raise FrameEncodeError(f"{frame_type.__name__} cannot be sent: {exc}") from exc

    def deserialize(self, data: bytes | str) -> Frame:
        if isinstance(data, str):
            message = "a text message; this wire has only binary ones"
            raise FrameDecodeError("text_message", message)
        frame = self._audio_mould.cast(data)
        if frame is not None:
            return frame
        if not data:
            message = "an empty message; expected a protobuf Frame"
            raise FrameDecodeError("empty_message", message)
        try:
            content = proto.Frame.FromString(data)
        except (DecodeError, UnicodeDecodeError):  # the latter by protobuf without its C part
            raise explain_fault(data) from None
        which = content.WhichOneof("frame")
        if which is None:
            raise explain_fault(data)
        if which == "audio":
            return self._decode_audio(data, content.audio)
        if which == "opus":
            return self._decode_opus(content.opus)
        return _DECODERS[which](getattr(content, which))

    def _decode_audio(self, data: bytes, content: proto.AudioRawFrame) -> InputAudioRawFrame:
        pcm, sample_rate, num_channels = content.audio, content.sample_rate, content.num_channels
        wav = is_wav(pcm)
        if wav:
            try:
                pcm, sample_rate, num_channels = parse_wav(pcm)
            except ValueError as exc:
                raise FrameDecodeError("invalid_wav", f"audio: {exc}") from None
        _check_audio(pcm, sample_rate, num_channels)
        frame = InputAudioRawFrame(pcm, sample_rate, num_channels)
        _take_label(frame, content)
        if content.HasField("pts"):
            frame.pts = content.pts
        elif not (content.id or wav):
            self._audio_mould = _AudioMould.of(data, content)
        return frame

    def _decode_opus(self, content: proto.OpusFrame) -> InputAudioRawFrame:
        if self._opus is None:
            raise FrameDecodeError("unagreed_opus", "opus: expected audio, until vw-codec is sent")
        return self._opus.decode(content.packet)


class _AudioMould(NamedTuple):
    """The last audio message around its samples: the next one mostly differs in them alone.

    A client's audio messages have one size, rate and name, and the JavaScript client numbers them
    all 0. A message of the same length with the same bytes before and after the samples parses
    alike, by the rules of protobuf: three comparisons stand for parsing it and for checking it
    again. `benchmarks/protobuf_codec.py` measures what that saves.
    """

    num_bytes: int
    head: bytes
    tail: bytes
    start: int
    end: int
    sample_rate: int
    num_channels: int
    name: str

    @classmethod
    def of(cls, data: bytes, content: proto.AudioRawFrame) -> "_AudioMould":
        """Return the mould of a valid message, or `_NO_MOULD` where fields lie in another order."""
        samples = proto.AudioRawFrame(audio=content.audio).SerializeToString()
        after = proto.AudioRawFrame(
            sample_rate=content.sample_rate, num_channels=content.num_channels
        )
        tail = after.SerializeToString()
        if not data.endswith(samples + tail):
            return _NO_MOULD
        if proto.Frame(audio=content).SerializeToString() != data:
            return _NO_MOULD
        end = len(data) - len(tail)
        start = end - len(content.audio)
        return cls(
            len(data),
            data[:start],
            tail,
            start,
            end,
            content.sample_rate,
            content.num_channels,
            content.name,
        )

    def cast(self, data: bytes) -> InputAudioRawFrame | None:
        """Return the frame in a message of this shape, None for any other message."""
        if (
            len(data) != self.num_bytes
            or not data.startswith(self.head)
            or not data.endswith(self.tail)
            or data.startswith(b"RIFF", self.start)
        ):
            return None
        frame = InputAudioRawFrame(data[self.start : self.end], self.sample_rate, self.num_channels)
        if self.name:
            frame.name = self.name
        return frame


_NO_MOULD = _AudioMould(-1, b"", b"", 0, 0, 0, 0, "")


def _check_audio(pcm: bytes, sample_rate: int, num_channels: int) -> None:
    fault = format_fault(sample_rate, num_channels)
    if fault is not None:
        raise FrameDecodeError("audio_format", f"audio: {fault}")
    if not pcm:
        raise FrameDecodeError("empty_audio", "audio: no samples; expected at least one")
    if len(pcm) % (num_channels * BYTES_PER_SAMPLE):
        raise FrameDecodeError(
            "partial_sample",
            f"audio: {len(pcm)} bytes; expected a multiple of {num_channels * BYTES_PER_SAMPLE} "
            f"(16-bit samples, {num_channels} channels)",
        )


def _take_label(frame: Frame, content: Any) -> None:
    if content.id:
        frame.id = content.id
    if content.name:
        frame.name = content.name


def _decode_text(content: proto.TextFrame) -> TextFrame:
    frame = TextFrame(content.text)
    _take_label(frame, content)
    return frame


def _decode_transcription(content: proto.TranscriptionFrame) -> TranscriptionFrame:
    frame = TranscriptionFrame(content.text, content.user_id, content.timestamp)
    _take_label(frame, content)
    return frame


def _decode_message(content: proto.MessageFrame) -> InputTransportMessageFrame:
    return InputTransportMessageFrame(decode_json(content.data))


def _decode_interruption(content: proto.InterruptionFrame) -> InterruptionFrame:
    frame = InterruptionFrame()
    _take_label(frame, content)
    return frame


_DECODERS: Mapping[str, Callable[[Any], Frame]] = {
    "text": _decode_text,
    "transcription": _decode_transcription,
    "message": _decode_message,
    "interruption": _decode_interruption,
}


def _encode_audio(frame: OutputAudioRawFrame) -> proto.Frame:
    fault = format_fault(frame.sample_rate, frame.num_channels)
    if fault is not None:
        raise FrameEncodeError(f"{type(frame).__name__} cannot be sent: {fault}")
    message = proto.Frame()
    content = message.audio
    content.id = frame.id
    content.name = frame.name
    content.audio = frame.audio
    content.sample_rate = frame.sample_rate
    content.num_channels = frame.num_channels
    if frame.pts is not None:
        content.pts = frame.pts
    return message


def _opus_message(packet: bytes) -> bytes:
    return proto.Frame(opus=proto.OpusFrame(packet=packet)).SerializeToString()


def _encode_text(frame: TextFrame) -> proto.Frame:
    return proto.Frame(text=proto.TextFrame(id=frame.id, name=frame.name, text=frame.text))


def _encode_transcription(frame: TranscriptionFrame) -> proto.Frame:
    return proto.Frame(
        transcription=proto.TranscriptionFrame(
            id=frame.id,
            name=frame.name,
            text=frame.text,
            user_id=frame.user_id,
            timestamp=frame.timestamp,
        )
    )


def _encode_message(
    frame: OutputTransportMessageFrame | OutputTransportMessageUrgentFrame,
) -> proto.Frame:
    return proto.Frame(message=proto.MessageFrame(data=encode_json(frame.message)))


def _encode_interruption(frame: InterruptionFrame) -> proto.Frame:
    return proto.Frame(interruption=proto.InterruptionFrame(id=frame.id, name=frame.name))


_Encoder = Callable[[Any], proto.Frame]

_ENCODERS: Mapping[type[Frame], _Encoder | None] = {
    Frame: None,
    InterimTranscriptionFrame: None,
    OutputAudioRawFrame: _encode_audio,
    TextFrame: _encode_text,
    TranscriptionFrame: _encode_transcription,
    OutputTransportMessageFrame: _encode_message,
    OutputTransportMessageUrgentFrame: _encode_message,
}
