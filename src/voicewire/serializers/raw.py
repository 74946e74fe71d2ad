"""The wire of devices: settings in one line of JSON, then audio as it is."""

from collections.abc import Callable, Mapping
from typing import Any

from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs
from voicewire.errors import FrameDecodeError, FrameEncodeError, MissingExtraError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    KeypadEntry,
    LLMMessagesAppendFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    PlayoutPositionFrame,
    TranscriptionFrame,
    TTSSentenceFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.fields import Message, decode_object, text_at
from voicewire.serializers.raw_audio import Reader, Writer, open_reader, open_writer
from voicewire.serializers.raw_hello import PREFERRED_RATE, Hello, parse_hello
from voicewire.serializers.strict_json import encode_json

MAX_PLAYED_MS = 1e9
"""Eleven days."""


class RawFrameSerializer(FrameSerializer):
    """Speaks with a device, or a script, that has no library for any other wire.

    Its first message says what it sends and what it wants to get; the answer says what it gets.
    From then on binary messages are audio, and text messages are JSON objects with a `type`. The
    page `docs/raw.md` has all of them.

    What is refused is answered with an error, audio once for each kind of fault: "not_started",
    "repeated_start", "invalid_hello", "unavailable_codec", "unknown_type", "missing_field",
    "invalid_field", "unknown_key", "empty_audio", "partial_sample", "malformed_opus",
    "not_an_object" and those of `decode_json`.
    """

    dialect = "raw"
    told_of = (
        UserStartedSpeakingFrame,
        UserStoppedSpeakingFrame,
        BotStartedSpeakingFrame,
        BotStoppedSpeakingFrame,
        TranscriptionFrame,
        InterimTranscriptionFrame,
    )

    def __init__(self) -> None:
        self._hello: Hello | None = None
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._replies: list[bytes | str] = []
        self._told_kinds: set[str] = set()
        self._stream_id = 0
        self._sent_secs = 0.0  # of the stream

    @property
    def has_started(self) -> bool:
        return self._hello is not None

    @property
    def sample_rate(self) -> int:
        return PREFERRED_RATE if self._hello is None else self._hello.audio_out.sample_rate

    @property
    def message_secs(self) -> float | None:
        return None if self._hello is None else self._hello.audio_out.frame_ms / 1000

    def take_replies(self) -> list[bytes | str]:
        replies, self._replies = self._replies, []
        return replies

    def knows(self, first_message: bytes | str) -> bool:
        if isinstance(first_message, bytes):
            return False
        try:
            return decode_object(first_message).get("type") == "hello"
        except FrameDecodeError:
            return False

    # Out.

    def serialize(self, frame: Frame) -> bytes | str | None:
        if isinstance(frame, OutputAudioRawFrame):
            return self._audio_message(frame)
        if self._hello is None:
            return None
        if isinstance(frame, InterruptionFrame):
            return self._flush_message(self._hello)
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            return encode_json({"type": "message", "data": frame.message})
        if isinstance(frame, TTSSentenceFrame | TTSTextFrame) and self._hello.events:
            sentence = _sentence(frame)
            return None if sentence is None else encode_json(sentence)
        return None

    def tell(self, frame: Frame) -> str | None:
        if self._hello is None or not self._hello.events:
            return None
        kind = next(each for each in self.told_of if isinstance(frame, each))
        return encode_json(_EVENTS[kind](frame))

    def _audio_message(self, frame: OutputAudioRawFrame) -> bytes | None:
        if self._writer is None:
            raise FrameEncodeError("audio cannot be sent before the device has said hello")
        if frame.sample_rate != self.sample_rate or frame.num_channels != 1:
            raise FrameEncodeError(
                f"{type(frame).__name__} cannot be sent: {frame.sample_rate} Hz, "
                f"{frame.num_channels} channels; expected {self.sample_rate} Hz, mono"
            )
        if len(frame.audio) % BYTES_PER_SAMPLE:
            raise FrameEncodeError(
                f"{type(frame).__name__} cannot be sent: it ends within a sample"
            )
        message = self._writer.write(frame.audio)
        self._sent_secs += duration_secs(len(frame.audio), self.sample_rate, 1)
        return message

    def _flush_message(self, hello: Hello) -> str | None:
        """Begin a new stream where there is anything to drop."""
        if self._writer is not None:
            self._writer.drop()
        if not hello.flush or not self._sent_secs:
            return None
        self._stream_id += 1
        self._sent_secs = 0.0
        return encode_json({"type": "flush", "stream": self._stream_id})

    # In.

    def deserialize(self, data: bytes | str) -> Frame | None:
        try:
            return self._take_text(data) if isinstance(data, str) else self._take_audio(data)
        except FrameDecodeError as fault:
            if isinstance(data, str) or fault.kind not in self._told_kinds:
                self._reply({"type": "error", "kind": fault.kind, "message": str(fault)})
            if not isinstance(data, str):
                self._told_kinds.add(fault.kind)
            raise

    def _take_audio(self, data: bytes) -> InputAudioRawFrame | None:
        if self._hello is None or self._reader is None:
            raise FrameDecodeError("not_started", "audio before the hello")
        pcm = self._reader.read(data)
        if pcm is None:
            return None
        return InputAudioRawFrame(pcm, self._hello.audio_in.sample_rate, 1)

    def _take_text(self, text: str) -> Frame | None:
        message = decode_object(text)
        kind = message.get("type")
        if kind == "hello":
            self._take_hello(message)
            return None
        handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            known = ", ".join(("hello", *_HANDLERS))
            raise FrameDecodeError("unknown_type", f"an unknown type; expected one of {known}")
        if self._hello is None:
            raise FrameDecodeError("not_started", f"{kind!r} before the hello")
        return handler(self, message)

    def _take_hello(self, message: Message) -> None:
        if self._hello is not None:
            raise FrameDecodeError("repeated_start", "a second hello; connect anew for other audio")
        hello = parse_hello(message)
        try:
            self._reader, self._writer = open_reader(hello.audio_in), open_writer(hello.audio_out)
        except MissingExtraError as exc:
            raise FrameDecodeError("unavailable_codec", f"not at this server: {exc}") from None
        self._hello = hello
        self.can_clear = hello.flush
        self._reply(hello.answer())

    def _take_played(self, message: Message) -> PlayoutPositionFrame:
        played_secs = _played_ms(message) / 1000
        stream_id = self._stream_played(message, played_secs)
        if stream_id != self._stream_id:
            return PlayoutPositionFrame(stream_id, played_secs, 0.0)
        played_secs = min(played_secs, self._sent_secs)
        return PlayoutPositionFrame(stream_id, played_secs, self._sent_secs - played_secs)

    def _stream_played(self, message: Message, played_secs: float) -> int:
        stream_id = message.get("stream")
        if stream_id is None:
            # More than was sent since the flush is what was played before it.
            is_late = played_secs > self._sent_secs and self._stream_id > 0
            return self._stream_id - is_late
        if type(stream_id) is not int or not 0 <= stream_id <= self._stream_id:
            expected = f"expected a number of 0..{self._stream_id}"
            raise FrameDecodeError("invalid_field", f"stream: {expected}")
        return stream_id

    def _take_interruption(self, message: Message) -> InterruptionFrame:
        return InterruptionFrame()

    def _take_words(self, message: Message) -> LLMMessagesAppendFrame:
        text = text_at(message, "text")
        if text is None:
            raise FrameDecodeError("missing_field", "text: expected what the caller has written")
        return LLMMessagesAppendFrame([{"role": "user", "content": text}], run_llm=True)

    def _take_key(self, message: Message) -> InputDTMFFrame:
        try:
            return InputDTMFFrame(KeypadEntry(str(message.get("button"))))
        except ValueError:
            keys = " ".join(KeypadEntry)
            raise FrameDecodeError("unknown_key", f"button: expected one of {keys}") from None

    def _take_message(self, message: Message) -> InputTransportMessageFrame:
        if "data" not in message:
            raise FrameDecodeError("missing_field", "data: expected what the message says")
        return InputTransportMessageFrame(message["data"])

    def _reply(self, message: Mapping[str, Any]) -> None:
        self._replies.append(encode_json(message))


def _played_ms(message: Message) -> float:
    played_ms = message.get("ms")
    if (
        isinstance(played_ms, int | float)
        and not isinstance(played_ms, bool)
        and 0 <= played_ms <= MAX_PLAYED_MS
    ):
        return played_ms
    raise FrameDecodeError("invalid_field", "ms: expected a number of milliseconds")


_HANDLERS: Mapping[str, Callable[[RawFrameSerializer, Message], Frame]] = {
    "played": RawFrameSerializer._take_played,
    "interrupt": RawFrameSerializer._take_interruption,
    "text": RawFrameSerializer._take_words,
    "dtmf": RawFrameSerializer._take_key,
    "message": RawFrameSerializer._take_message,
}


def _transcription(frame: TranscriptionFrame | InterimTranscriptionFrame) -> Message:
    is_final = isinstance(frame, TranscriptionFrame)
    return {"type": "transcription", "text": frame.text, "final": is_final}


def _sentence(frame: TTSSentenceFrame | TTSTextFrame) -> Message | None:
    if isinstance(frame, TTSTextFrame) and frame.sentence_id is not None:
        return None  # Its sentence has been told of.
    return {"type": "sentence", "text": frame.text}


def _bot_stopped(frame: BotStoppedSpeakingFrame) -> Message:
    return {
        "type": "bot_stopped_speaking",
        "interrupted": frame.interrupted,
        "played_ms": round(frame.played_secs * 1000),
    }


_EVENTS: Mapping[type[Any], Callable[[Any], Message]] = {
    UserStartedSpeakingFrame: lambda _: {"type": "user_started_speaking"},
    UserStoppedSpeakingFrame: lambda _: {"type": "user_stopped_speaking"},
    BotStartedSpeakingFrame: lambda _: {"type": "bot_started_speaking"},
    BotStoppedSpeakingFrame: _bot_stopped,
    TranscriptionFrame: _transcription,
    InterimTranscriptionFrame: _transcription,
}
