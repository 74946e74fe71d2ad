"""What the wires of telephone providers have in common."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from voicewire.params import Params
from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.call import Call
from voicewire.serializers.codecs import AudioCodec
from voicewire.serializers.fields import Message, decode_object
from voicewire.serializers.strict_json import encode_json

RTVI_LABEL = "rtvi-ai"

Handler = Callable[[Any, Message], Frame | None]


class TelephonyParams(Params):
    """What all telephone wires can be told.

    Attributes:
        auto_hang_up: Whether the call ends when the bot does.
        ignore_rtvi_messages: Whether messages of RTVI stay off the wire.
        sample_rate: Accepted from programs written for Pipecat, without effect: the transport's
            `audio_in_sample_rate` says it.
        resampler_clear_after_secs: As above; there is no resampler here.
    """

    auto_hang_up: bool = True
    ignore_rtvi_messages: bool = True
    sample_rate: int | None = None
    resampler_clear_after_secs: float | None = None


class TelephonySerializer(FrameSerializer):
    """One telephone call at one connection.

    A subclass has a handler for each kind of message of its provider, and says how audio and
    commands are written. What it keeps of the peer is the call and the codecs.

    Messages that do not fit where they come are refused with a kind: "not_started",
    "repeated_start", "after_the_end", "wrong_stream", "unknown_event", "missing_field",
    "invalid_field", "audio_format", "invalid_base64", "unknown_key", "provider_error".
    """

    can_clear = True
    has_marks = True
    event_field: ClassVar[str] = "event"
    """What in a message says of which kind it is."""
    handlers: ClassVar[Mapping[str, Handler]] = {}
    """By kind. Only those in `first_events` are called before the call has started."""
    first_events: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, params: TelephonyParams, codec: AudioCodec) -> None:
        """Begin before the provider has said anything.

        Args:
            params: What the application wants.
            codec: In both directions, unless the provider says otherwise.
        """
        self._params = params
        self._inbound = self._outbound = codec
        self._call: Call | None = None
        self._has_started = False
        self._is_over = False
        self._sequence: int | None = None
        self._sequence_faults = 0

    @property
    def sample_rate(self) -> int:
        return self._outbound.sample_rate

    @property
    def call(self) -> Call | None:
        return self._call

    @property
    def has_started(self) -> bool:
        return self._has_started

    @property
    def is_over(self) -> bool:
        return self._is_over

    @property
    def sequence_faults(self) -> int:
        """How many messages did not carry the number after the one before."""
        return self._sequence_faults

    # Out.

    def serialize(self, frame: Frame) -> bytes | str | None:
        if isinstance(frame, OutputAudioRawFrame):
            return self._serialize_audio(frame)
        if self._is_over:
            return None
        if isinstance(frame, InterruptionFrame):
            return self._clear_message() if self._has_started else None
        if isinstance(frame, OutputDTMFFrame | OutputDTMFUrgentFrame):
            return self._key_message(frame.button) if self._has_started else None
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            return self._serialize_message(frame.message)
        return None

    def _serialize_audio(self, frame: OutputAudioRawFrame) -> bytes | str | None:
        codec = self._outbound
        if frame.sample_rate != codec.sample_rate or frame.num_channels != 1:
            raise FrameEncodeError(
                f"{type(frame).__name__} cannot be sent: {frame.sample_rate} Hz, "
                f"{frame.num_channels} channels; expected {codec.sample_rate} Hz, mono"
            )
        if len(frame.audio) % BYTES_PER_SAMPLE:
            message = f"{type(frame).__name__} cannot be sent: it ends within a sample"
            raise FrameEncodeError(message)
        if not self._has_started:
            name = self.dialect.capitalize()
            raise FrameEncodeError(f"audio cannot be sent before {name} has started the call")
        if self._is_over or not frame.audio:
            return None
        return self._audio_message(frame.audio)

    def _serialize_message(self, message: Any) -> bytes | str | None:
        if self._params.ignore_rtvi_messages and _is_rtvi(message):
            return None
        return self._own_message(message)

    @abstractmethod
    def _audio_message(self, pcm: bytes) -> bytes | str | None:
        """Return the message that plays s16le at the wire's rate."""

    @abstractmethod
    def _clear_message(self) -> bytes | str | None:
        """Return the message that drops what has not been played; None where there is none."""

    def _key_message(self, key: KeypadEntry) -> bytes | str | None:
        """Return the message that presses a key; None where there is none."""
        return None

    def _own_message(self, message: Any) -> bytes | str | None:
        """Return what the application itself wants to tell the provider."""
        return encode_json(message)

    # In.

    def knows(self, first_message: bytes | str) -> bool:
        if isinstance(first_message, bytes):
            return False
        try:
            message = decode_object(first_message)
        except FrameDecodeError:
            return False
        event = message.get(self.event_field)
        return isinstance(event, str) and event in self.first_events and self._opens_with(message)

    def _opens_with(self, message: Message) -> bool:
        """Whether a message of the kind that comes first is this provider's, not another's."""
        return True

    def deserialize(self, data: bytes | str) -> Frame | None:
        if isinstance(data, str):
            return self._take_text(data)
        return self._take_binary(data)

    def _take_text(self, text: str) -> Frame | None:
        return self._take_message(decode_object(text))

    def _take_binary(self, data: bytes) -> Frame | None:
        raise FrameDecodeError("binary_message", "a binary message; this wire has only text ones")

    def _take_message(self, message: Message) -> Frame | None:
        event = message.get(self.event_field)
        handler = self.handlers.get(event) if isinstance(event, str) else None
        if handler is None:
            raise self._unknown_event(event)
        self._check_state(event)
        return handler(self, message)

    def _check_state(self, event: Any) -> None:
        if self._is_over:
            raise FrameDecodeError("after_the_end", f"{event!r} after the end of the call")
        if not self._has_started and event not in self.first_events:
            raise FrameDecodeError("not_started", f"{event!r} before the start of the call")

    def _unknown_event(self, event: object) -> FrameDecodeError:
        if isinstance(event, str):
            expected = ", ".join(map(repr, self.handlers))
            return FrameDecodeError("unknown_event", f"an unknown event; expected {expected}")
        return FrameDecodeError("missing_field", f"{self.event_field}: expected a string")

    def _start(self, call: Call | None) -> None:
        self._call = call
        self._has_started = True

    def _call_id(self, configured: str | None) -> str | None:
        """Return the call's identifier, as far as anybody has said it."""
        if configured:
            return configured
        return self._call.call_id if self._call else None

    def end(self, _message: Message) -> None:
        """Take the message that says that nothing follows."""
        self._is_over = True

    def understood(self, _message: Message) -> None:
        """Take a message that is nothing for the pipeline, and of which nothing is to be kept."""

    def _count_sequence(self, number: object) -> None:
        """Count a message that does not carry the next number; a number may come as a string."""
        try:
            current = int(number)  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            self._sequence_faults += 1
            return
        if self._sequence is not None and current != self._sequence + 1:
            self._sequence_faults += 1
        self._sequence = current

    def _audio_frame(self, coded: bytes) -> InputAudioRawFrame:
        codec = self._inbound
        return InputAudioRawFrame(codec.decode_checked(coded), codec.sample_rate, 1)

    def _key_frame(self, digit: object) -> InputDTMFFrame:
        try:
            return InputDTMFFrame(KeypadEntry(str(digit)))
        except ValueError:
            keys = " ".join(KeypadEntry)
            raise FrameDecodeError("unknown_key", f"an unknown key; expected {keys}") from None

    def _unsupported_format(self, expected: str) -> FrameDecodeError:
        message = f"an audio format that is not supported; expected {expected}"
        return FrameDecodeError("audio_format", message)


def _is_rtvi(message: Any) -> bool:
    return isinstance(message, dict) and message.get("label") == RTVI_LABEL
