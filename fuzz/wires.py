"""The serializers: whatever comes is understood, or refused with a reason."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from fuzz.inputs import Message, split_messages
from voicewire.audio.format import format_fault
from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputAudioRawFrame,
    OutputDTMFUrgentFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
    TranscriptionFrame,
    TTSSentenceFrame,
    UserStartedSpeakingFrame,
)
from voicewire.params import Params
from voicewire.serializers import FrameSerializer, GenesysAudioHookSerializer
from voicewire.serializers.codecs import AudioCodec
from voicewire.serializers.media_stream import MediaStreamSerializer
from voicewire.testing import PhoneLine

SPEECH = bytes(range(160)) * 2
"""20 ms at 8 kHz."""

MAX_FAULT_BYTES = 1000

UNIX_SECS = 1.8e9

_NEW_EVERY_TIME = ("id", "_name", "_metadata")

Speech = Callable[[FrameSerializer], Sequence[Message]]
"""Returns what a peer says that has the right to: the last message is speech, or words."""


class WireTarget:
    """Feeds a conversation to one serializer, beside another whose peer is honest.

    Args:
        serializer: As an application configures it; each connection has its copy.
        speech: What must be understood, whatever has come before.
        keeps_traces: Whether what is refused may change what follows, because the wire's rules
            say so: lost audio is made up for, a peer is known by its first message.
    """

    def __init__(
        self,
        serializer: FrameSerializer,
        speech: Speech,
        *,
        keeps_traces: bool = False,
    ) -> None:
        self._configured = serializer
        self._speech = speech
        self._keeps_traces = keeps_traces
        self._neighbour = copy.deepcopy(serializer)
        for message in speech(self._neighbour):
            self._neighbour.deserialize(message)
        self._neighbours_words = speech(self._neighbour)
        self._understood = self._neighbour_understands()

    def __call__(self, data: bytes) -> None:
        """Run one input.

        Raises:
            AssertionError: Something else has happened than that a message was taken or refused.
        """
        fuzzed = _copy_of(self._configured)
        taken: list[tuple[Message, Any]] = []
        messages = split_messages(data)
        assert all(fuzzed.knows(first) in (True, False) for first in messages[:1])
        for message in messages:
            try:
                frame = fuzzed.deserialize(message)
            except FrameDecodeError as fault:
                _check_fault(fault)
            else:
                _check_frame(frame)
                taken.append((message, _content_of(frame)))
            _check_messages(fuzzed.take_replies())
        if len(taken) < len(messages) and not self._keeps_traces:
            self._check_that_refused_messages_leave_no_trace(taken)
        # A bot speaks to one in four: it takes as long as all the rest.
        is_spoken_to = len(data) % 4 == 0
        if is_spoken_to and not fuzzed.has_started:
            _check_writing(fuzzed)
        self._check_that_speech_is_understood(fuzzed)
        if is_spoken_to:
            _check_writing(fuzzed.settled)
        assert self._neighbour_understands() == self._understood, "another caller was touched"

    def _check_that_refused_messages_leave_no_trace(
        self, taken: Sequence[tuple[Message, Any]]
    ) -> None:
        again = _copy_of(self._configured)
        for message, content in taken:
            assert _content_of(again.deserialize(message)) == content, "a refused message counts"

    def _check_that_speech_is_understood(self, fuzzed: FrameSerializer) -> None:
        if fuzzed.settled.is_over:
            return
        for message in self._speech(fuzzed):
            frame = fuzzed.deserialize(message)
        assert frame is not None, "what is said is not understood"
        _check_frame(frame)

    def _neighbour_understands(self) -> list[Any]:
        return [_content_of(self._neighbour.deserialize(each)) for each in self._neighbours_words]


def _copy_of(serializer: FrameSerializer) -> FrameSerializer:
    """Return one for another connection; what serializers only read is shared, for speed."""
    shared = (each for each in vars(serializer).values() if isinstance(each, Params | AudioCodec))
    return copy.deepcopy(serializer, {id(each): each for each in shared})


def said_by(line: Callable[[], PhoneLine]) -> Speech:
    """Return what a telephone provider says: the opening where it is due, and speech."""

    def say(serializer: FrameSerializer) -> Sequence[Message]:
        phone = line()
        if not serializer.has_started:
            opening = [_in_session(serializer, each) for each in phone.opening()]
            return [*opening, phone.speech(SPEECH)]
        speech = phone.speech(SPEECH)
        if isinstance(serializer, MediaStreamSerializer) and isinstance(speech, str):
            # The stream is called as the fuzzer has called it.
            assert serializer.call is not None
            named = {serializer.stream_id_field: serializer.call.stream_id}
            return [json.dumps({**json.loads(speech), **named})]
        return [speech]

    return say


def _in_session(serializer: FrameSerializer, message: Message) -> Message:
    """Return a message in the session whose name the fuzzer has given away, if it has."""
    if not isinstance(serializer, GenesysAudioHookSerializer) or not serializer.session_id:
        return message
    return json.dumps({**json.loads(message), "id": serializer.session_id})


def _check_fault(fault: FrameDecodeError) -> None:
    assert fault.kind.isidentifier(), f"kind {fault.kind!r}"
    assert len(str(fault).encode()) < MAX_FAULT_BYTES, "a fault that quotes what it is about"


def _check_frame(frame: object) -> None:
    assert frame is None or isinstance(frame, Frame), f"{type(frame).__name__} is no frame"
    if isinstance(frame, InputAudioRawFrame):
        assert frame.audio, "no samples"
        assert not len(frame.audio) % (frame.num_channels * BYTES_PER_SAMPLE), "half a sample"
        assert format_fault(frame.sample_rate, frame.num_channels) is None


def _check_messages(messages: Sequence[object]) -> None:
    for message in messages:
        assert isinstance(message, bytes | str)
        if isinstance(message, str):
            message.encode()  # Half a surrogate pair would fail on its way out.


def _check_writing(serializer: FrameSerializer) -> None:
    """Write what a bot says, in whatever state a peer has brought a serializer."""
    rate = serializer.sample_rate or 16000
    assert format_fault(rate, 1) is None, f"{rate} Hz"
    size = round(rate * (serializer.message_secs or 0.02)) * BYTES_PER_SAMPLE
    for write in _writers(serializer, OutputAudioRawFrame(bytes(size), rate, 1)):
        try:
            message = write()
        except FrameEncodeError:
            continue
        _check_messages([] if message is None else [message])
    request = serializer.hang_up_request(now=UNIX_SECS)
    assert request is None or (request.url + str(request.headers)).isascii()
    assert serializer.call is None or serializer.has_started


def _writers(
    serializer: FrameSerializer, audio: OutputAudioRawFrame
) -> Iterator[Callable[[], Message | None]]:
    for frame in (
        audio,
        TextFrame("hello"),
        TTSSentenceFrame("hello"),
        OutputDTMFUrgentFrame(KeypadEntry.FIVE),
        OutputTransportMessageUrgentFrame({"type": "note", "parameters": {"a": 1}}),
        InterruptionFrame(),
        audio,
    ):
        yield lambda frame=frame: serializer.serialize(frame)  # type: ignore[misc]
    for told in (
        UserStartedSpeakingFrame(),
        BotStoppedSpeakingFrame(),
        TranscriptionFrame("hello", "user", "2026-01-01T00:00:00Z"),
    ):
        if isinstance(told, serializer.told_of):
            yield lambda told=told: serializer.tell(told)  # type: ignore[misc]
    yield lambda: serializer.mark("vw-1")
    yield serializer.goodbye


def _content_of(frame: Frame | None) -> Any:
    if frame is None:
        return None
    names = [each.name for each in fields(frame) if each.name not in _NEW_EVERY_TIME]
    return type(frame), [getattr(frame, name) for name in names]
