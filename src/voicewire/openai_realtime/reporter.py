"""From the pipeline's frames to the events of OpenAI's Realtime API. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallInProgressFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSSentenceFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.openai_realtime.items import Items, Json, new_id, user_message
from voicewire.openai_realtime.responses import Response
from voicewire.openai_realtime.session import Session
from voicewire.pipeline import FrameDirection
from voicewire.serializers.openai_realtime import OpenAIRealtimeSerializer
from voicewire.serializers.strict_json import encode_json

MAX_REMEMBERED = 256
"""Frames that are known to have been told of: more than move through a pipeline at a time."""

MAX_POSITIONS = 64
"""Messages whose place in the audio is known: more are not on their way to the caller."""

MAX_CALLS = 64
"""Function calls that wait for the client."""

_SENT = (TTSSentenceFrame, LLMFullResponseEndFrame)
"""Told of when their turn among the audio has come."""


class Reporter:
    """Keeps the conversation as the client sees it, and says what changes.

    Args:
        session: What the client has chosen.
        serializer: Is told to which response audio belongs.
        send: Sends an event.

    Attributes:
        items: The conversation.
        answers_unasked: Whether the bot is about to answer, or does so, without having been asked:
            what was committed, or a function's output.
    """

    def __init__(
        self,
        session: Session,
        serializer: OpenAIRealtimeSerializer,
        send: Callable[[Json], None],
    ) -> None:
        self.items = Items()
        self.answers_unasked = False
        self._session = session
        self._serializer = serializer
        self._send = send
        self._told: OrderedDict[int, Frame] = OrderedDict()
        self._response: Response | None = None
        self._is_generated = self._is_unasked = False
        self._cancel_reason = "turn_detected"
        self._writes_next = False
        self._stream_id = 0
        self._positions: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._calls: OrderedDict[str, str] = OrderedDict()
        self._heard_ms = 0.0
        self._user_item_id: str | None = None
        self._is_committed = False
        self._words: list[str] = []

    @property
    def is_responding(self) -> bool:
        """Whether a response is in progress."""
        return self._response is not None

    def see(self, frame: Frame, direction: FrameDirection, *, is_sent: bool) -> None:
        """Take note of a frame that moves.

        Args:
            frame: What moves.
            direction: Which way; errors are told of on their way up, all else on its way down.
            is_sent: Whether it comes out of the output.
        """
        handle = _HANDLERS.get(type(frame))
        if handle is None:
            return
        if (direction is FrameDirection.UPSTREAM) is not isinstance(frame, ErrorFrame):
            return
        if isinstance(frame, _SENT) and not is_sent:
            return
        if id(frame) in self._told:
            return
        self._told[id(frame)] = frame
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        handle(self, frame)

    def add_item(self, item: Json) -> None:
        """Add an item that the client has created."""
        if item.get("type") == "function_call_output":
            self.answers_unasked = True
        previous = self.items.add(item)
        for event in ("added", "done"):
            kind = f"conversation.item.{event}"
            self._send({"type": kind, "previous_item_id": previous, "item": item})

    def commit(self) -> None:
        """Make an item of what the client has held back; its words come later."""
        self._user_item_id = new_id("item")
        self._words.clear()
        self._commit()

    def take_call(self, call_id: str) -> str | None:
        """Return which function a call is of that waits for its output; it waits no more."""
        return self._calls.pop(call_id, None)

    def cancel(self) -> bool:
        """Return whether there is a response, which an interruption will end now."""
        self._cancel_reason = "client_cancelled"
        return self._response is not None

    def write_next(self) -> None:
        """Know that the next response is only written."""
        self._writes_next = True

    def begin_stream(self, stream_id: int) -> None:
        """The client drops what it has: audio is counted from 0 again."""
        self._stream_id = stream_id
        self._serializer.sent_secs = 0.0

    def position_of(self, item_id: str, secs: float) -> tuple[int, float] | None:
        """Return the stream, and where in it so much of a message has been played."""
        position = self._positions.get(item_id)
        return None if position is None else (position[0], position[1] + secs)

    # The caller.

    def _hear(self, frame: InputAudioRawFrame) -> None:
        self._heard_ms += 1000 * frame.duration_secs

    def _begin_turn(self, frame: UserStartedSpeakingFrame) -> None:
        if not self._session.detects_turns:
            return
        self._user_item_id = new_id("item")
        self._is_committed = False
        self._words.clear()
        self._send(
            {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": round(self._heard_ms),
                "item_id": self._user_item_id,
            }
        )

    def _end_turn(self, frame: UserStoppedSpeakingFrame) -> None:
        if self._user_item_id is None or self._is_committed:
            return
        self._send(
            {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": round(self._heard_ms),
                "item_id": self._user_item_id,
            }
        )
        self._commit()
        if self._words:
            self._complete_transcript()

    def _commit(self) -> None:
        assert self._user_item_id is not None  # noqa: S101 - the turn has one
        self._is_committed = self.answers_unasked = True
        item = user_message(self._user_item_id, [{"type": "input_audio", "transcript": None}])
        self._send(
            {
                "type": "input_audio_buffer.committed",
                "previous_item_id": self.items.last_id,
                "item_id": self._user_item_id,
            }
        )
        self.add_item(item)

    def _transcribe(self, frame: TranscriptionFrame) -> None:
        if self._user_item_id is None:
            return
        self._words.append(frame.text)
        self._tell_transcript("delta", delta=frame.text)
        if self._is_committed:
            self._complete_transcript()

    def _complete_transcript(self) -> None:
        text = " ".join(self._words)
        item = self.items.get(self._user_item_id or "")
        if item is not None:
            item["content"] = [{"type": "input_audio", "transcript": text}]
        usage = {"type": "duration", "seconds": round(self._heard_ms / 1000, 2)}
        self._tell_transcript("completed", transcript=text, usage=usage)

    def _tell_transcript(self, kind: str, **fields: Any) -> None:
        self._send(
            {
                "type": f"conversation.item.input_audio_transcription.{kind}",
                "item_id": self._user_item_id,
                "content_index": 0,
                **fields,
            }
        )

    # The bot.

    def _begin_answer(self, frame: LLMFullResponseStartFrame) -> None:
        self._finish("completed")
        self._open(is_generated=True)

    def _write(self, frame: LLMTextFrame) -> None:
        if frame.skip_tts:
            self._open_message().add_text(frame.text)

    def _say(self, frame: TTSSentenceFrame) -> None:
        self._open_message().add_text(f"{frame.text} ")

    def _begin_speech(self, frame: BotStartedSpeakingFrame) -> None:
        self._open_message()

    def _end_answer(self, frame: LLMFullResponseEndFrame) -> None:
        self._finish("completed")

    def _end_speech(self, frame: BotStoppedSpeakingFrame) -> None:
        if not self._is_generated:  # What no language model has said ends with its sound.
            self._finish("completed")

    def _interrupt(self, frame: InterruptionFrame) -> None:
        self._finish("cancelled", reason=self._cancel_reason)
        self._cancel_reason = "turn_detected"
        if self._session.detects_turns:  # Else what was committed is what interrupts.
            self.answers_unasked = False

    def _call_function(self, frame: FunctionCallInProgressFrame) -> None:
        if all(each.name != frame.function_name for each in self._session.tools):
            return  # It runs here.
        self._calls[frame.tool_call_id] = frame.function_name
        while len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)
        was_open = self._response is not None
        response = self._response or self._open(is_generated=True)
        response.call_function(
            frame.tool_call_id, frame.function_name, encode_json(frame.arguments)
        )
        if not was_open:
            self._finish("completed")

    def _fail(self, frame: ErrorFrame) -> None:
        error = {"type": "server_error", "code": None, "message": frame.error, "param": None}
        self._send({"type": "error", "error": error})

    def _open(self, *, is_generated: bool) -> Response:
        is_spoken = self._session.is_spoken and not self._writes_next
        self._writes_next = False
        self._is_generated = is_generated
        self._is_unasked = self.answers_unasked
        self._response = Response(self._send, self.items, is_spoken=is_spoken)
        return self._response

    def _open_message(self) -> Response:
        response = self._response or self._open(is_generated=False)
        if response.item_id is None:
            item_id = response.begin_message()
            self._positions[item_id] = (self._stream_id, self._serializer.sent_secs)
            while len(self._positions) > MAX_POSITIONS:
                self._positions.popitem(last=False)
            self._serializer.audio_of = response.audio_fields
        return response

    def _finish(self, status: str, *, reason: str | None = None) -> None:
        response, self._response = self._response, None
        self._serializer.audio_of = None
        if response is not None:
            if self._is_unasked:
                self.answers_unasked = self._is_unasked = False
            response.finish(status, reason=reason)


_HANDLERS: dict[type[Frame], Callable[[Reporter, Any], None]] = {
    InputAudioRawFrame: Reporter._hear,
    UserStartedSpeakingFrame: Reporter._begin_turn,
    UserStoppedSpeakingFrame: Reporter._end_turn,
    TranscriptionFrame: Reporter._transcribe,
    InterruptionFrame: Reporter._interrupt,
    LLMFullResponseStartFrame: Reporter._begin_answer,
    LLMTextFrame: Reporter._write,
    LLMFullResponseEndFrame: Reporter._end_answer,
    TTSSentenceFrame: Reporter._say,
    BotStartedSpeakingFrame: Reporter._begin_speech,
    BotStoppedSpeakingFrame: Reporter._end_speech,
    FunctionCallInProgressFrame: Reporter._call_function,
    ErrorFrame: Reporter._fail,
}
