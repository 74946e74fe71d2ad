"""One client of OpenAI's Realtime API, from `session.created` to its goodbye."""

import json
import logging
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from voicewire.audio.pcm import num_bytes
from voicewire.context import FunctionSchema
from voicewire.errors import FrameDecodeError
from voicewire.frames import (
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    OutputTransportMessageUrgentFrame,
)
from voicewire.nobody import nobody
from voicewire.openai_realtime.items import new_id, user_message
from voicewire.openai_realtime.reporter import Reporter
from voicewire.openai_realtime.session import Session, SessionUpdate, Tool
from voicewire.pipeline import FrameDirection, Processor
from voicewire.pipeline.hooks import PushHooks
from voicewire.serializers.openai_realtime import APPEND, RATES, OpenAIRealtimeSerializer

logger = logging.getLogger(__name__)

Json = dict[str, Any]

MAX_HELD_SECS = 120.0
"""Audio that a client may append before it commits it."""

MIN_COMMIT_SECS = 0.1
"""As with OpenAI's own."""

TRAILING_SILENCE_SECS = 1.0
"""Behind what is committed, so that voice activity detection hears its end."""

MAX_SHOWN_CHARS = 64


class RequestError(Exception):
    """A client's event that is answered with an error."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class RealtimeVisit:
    """Acts on one client's events, and tells it what the pipeline does.

    Args:
        serializer: The client's, which encodes the audio.
        model: What the client has asked for.
        send: Sends a frame to the client, at once.
        hooks: The pipeline's.
        output: The pipeline's last processor: what it pushes has been sent.
        on_rate: Called with the hertz that the client wants from now on.
        on_played: Called with a stream's number and how much of it the client has played.
    """

    def __init__(
        self,
        serializer: OpenAIRealtimeSerializer,
        *,
        model: str,
        send: Callable[[Frame], None],
        hooks: PushHooks,
        output: Processor,
        on_rate: Callable[[int], None],
        on_played: Callable[[int, float], None],
    ) -> None:
        self._serializer = serializer
        self._session = Session(new_id("sess"), model)
        self._send: Callable[[Json], None] = lambda event: send(
            OutputTransportMessageUrgentFrame(event)
        )
        self._hooks = hooks
        self._output = output
        self._on_rate = on_rate
        self._on_played = on_played
        self._reporter = Reporter(self._session, serializer, self._send)
        self._held = bytearray()
        self._has_refused = False
        hooks.add(self._see)
        self._send({"type": "session.created", "session": self._session.to_json()})

    def take(self, content: Any) -> list[Frame]:
        """Act on an event; return what goes into the pipeline."""
        kind = content.get("type")
        event_id = content.get("event_id")
        try:
            act = _REQUESTS.get(kind) if isinstance(kind, str) else None
            if act is None:
                known = ", ".join(_REQUESTS)
                raise RequestError("invalid_value", f"expected one of {known}", param="type")
            return act(self, content)
        except RequestError as exc:
            self._refuse(exc.code, str(exc), exc.param, event_id)
        except FrameDecodeError as exc:
            self._refuse(exc.kind, str(exc), None, event_id)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            param = ".".join(map(str, first["loc"]))
            self._refuse("invalid_value", f"{param}: {first['msg']}", param, event_id)
        return []

    def flushed(self, stream_id: int) -> None:
        """Know that the client drops what it has not played, and that a new stream begins."""
        self._reporter.begin_stream(stream_id)

    def close(self) -> None:
        """Forget the client, and whoever would be told of it."""
        self._hooks.remove(self._see)
        self._on_rate = self._on_played = nobody

    def _see(
        self, source: Processor, to: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        try:
            self._reporter.see(frame, direction, is_sent=source is self._output)
        except Exception:  # The frame itself must move on, whatever is wrong with what is in it.
            logger.exception("OpenAI Realtime: %s cannot be told of", type(frame).__name__)

    def _refuse(self, code: str, message: str, param: str | None, event_id: object) -> None:
        if not self._has_refused:  # One line for each client.
            self._has_refused = True
            logger.warning("OpenAI Realtime: event refused (%s)", code)
        error = {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id if isinstance(event_id, str) else None,
        }
        self._send({"type": "error", "error": error})

    # What clients ask for. Each returns the frames that go into the pipeline.

    def _update_session(self, content: Json) -> list[Frame]:
        wish = SessionUpdate.model_validate(content.get("session") or {})
        session, serializer = self._session, self._serializer
        was_spoken = session.is_spoken
        session.update(wish)
        serializer.input_format = session.input_format
        if session.output_format != serializer.output_format:
            serializer.output_format = session.output_format
            self._on_rate(RATES[session.output_format])
        serializer.holds_audio = not session.detects_turns
        self._send({"type": "session.updated", "session": session.to_json()})
        frames: list[Frame] = []
        if wish.instructions:
            frames.append(_system(wish.instructions))
        if wish.tools is not None:
            frames.append(LLMSetToolsFrame([_schema(each) for each in wish.tools], keeps_own=True))
        if wish.tool_choice is not None:
            frames.append(LLMSetToolChoiceFrame(wish.tool_choice))
        if session.is_spoken is not was_spoken:
            frames.append(LLMConfigureOutputFrame(skip_tts=not session.is_spoken))
        return frames

    def _append(self, content: Json) -> list[Frame]:
        audio = content.get("audio")
        if not isinstance(audio, str):
            raise RequestError("invalid_type", "expected a string of base64", param="audio")
        pcm = self._serializer.decode_audio(audio)
        if len(self._held) + len(pcm) > num_bytes(MAX_HELD_SECS, self._input_rate, 1):
            raise RequestError(
                "input_audio_buffer_too_large",
                f"more than {MAX_HELD_SECS:g} s of audio are not committed",
            )
        self._held += pcm
        return []

    def _commit(self, content: Json) -> list[Frame]:
        silence = bytes(num_bytes(TRAILING_SILENCE_SECS, self._input_rate, 1))
        if self._session.detects_turns:
            return [self._audio(silence)]
        if len(self._held) < num_bytes(MIN_COMMIT_SECS, self._input_rate, 1):
            raise RequestError(
                "input_audio_buffer_commit_empty",
                f"expected at least {1000 * MIN_COMMIT_SECS:g} ms of audio in the buffer",
            )
        # In one piece: of what came before a voice was noticed, only a little is kept.
        said = self._audio(bytes(self._held) + silence)
        self._held.clear()
        self._reporter.commit()
        return [said]

    def _clear(self, content: Json) -> list[Frame]:
        self._held.clear()
        self._send({"type": "input_audio_buffer.cleared"})
        return []

    def _create_item(self, content: Json) -> list[Frame]:
        item = content.get("item")
        if not isinstance(item, dict):
            raise RequestError("invalid_type", "expected an object", param="item")
        kind = item.get("type")
        if kind == "function_call_output":
            return self._take_result(item)
        if kind != "message":
            expected = "expected message or function_call_output"
            raise RequestError("invalid_value", expected, param="item.type")
        role, text = item.get("role"), _text_of(item.get("content"))
        if role not in ("user", "assistant", "system"):
            raise RequestError("invalid_value", "expected user, assistant or system", param="role")
        added = user_message(_id_of(item), item["content"]) | {"role": role}
        self._reporter.add_item(added)
        return [LLMMessagesAppendFrame([{"role": role, "content": text}], run_llm=False)]

    def _take_result(self, item: Json) -> list[Frame]:
        call_id, output = item.get("call_id"), item.get("output")
        name = self._reporter.take_call(call_id) if isinstance(call_id, str) else None
        if name is None or not isinstance(call_id, str):
            message = "no function call of this id waits for its output"
            raise RequestError("invalid_tool_call_id", message, param="item.call_id")
        if not isinstance(output, str):
            raise RequestError("invalid_type", "expected a string", param="item.output")
        self._reporter.add_item({**item, "id": _id_of(item), "object": "realtime.item"})
        return [FunctionCallResultFrame(name, call_id, {}, output)]

    def _retrieve_item(self, content: Json) -> list[Frame]:
        item = self._reporter.items.get(self._item_id(content))
        self._send({"type": "conversation.item.retrieved", "item": item})
        return []

    def _delete_item(self, content: Json) -> list[Frame]:
        self._item_id(content)
        message = "the bot keeps a memory of its own, in which items cannot be deleted"
        raise RequestError("unsupported", message)

    def _truncate_item(self, content: Json) -> list[Frame]:
        item_id = self._item_id(content)
        ends_at_ms = content.get("audio_end_ms")
        if not isinstance(ends_at_ms, int) or isinstance(ends_at_ms, bool) or ends_at_ms < 0:
            raise RequestError("invalid_type", "expected milliseconds", param="audio_end_ms")
        position = self._reporter.position_of(item_id, ends_at_ms / 1000)
        if position is None:
            raise RequestError("invalid_value", "an item without audio", param="item_id")
        self._on_played(*position)
        self._send(
            {
                "type": "conversation.item.truncated",
                "item_id": item_id,
                "content_index": 0,
                "audio_end_ms": ends_at_ms,
            }
        )
        return []

    def _create_response(self, content: Json) -> list[Frame]:
        wish = SessionUpdate.model_validate(content.get("response") or {})
        if self._reporter.answers_unasked:  # The wish is being fulfilled already.
            self._reporter.answers_unasked = False
            return []
        if self._reporter.is_responding:
            message = "a response is in progress; cancel it, or wait until it is done"
            raise RequestError("conversation_already_has_active_response", message)
        frames: list[Frame] = []
        if wish.instructions:
            frames.append(_system(wish.instructions))
        modalities = wish.output_modalities or wish.modalities
        is_silent = modalities is not None and "audio" not in modalities and self._session.is_spoken
        if is_silent:
            self._reporter.write_next()
            frames.append(LLMConfigureOutputFrame(skip_tts=True))
        frames.append(LLMRunFrame())
        if is_silent:
            frames.append(LLMConfigureOutputFrame(skip_tts=False))
        return frames

    def _cancel_response(self, content: Json) -> list[Frame]:
        if not self._reporter.cancel():
            raise RequestError("response_cancel_not_active", "no response is in progress")
        return [InterruptionFrame()]

    def _item_id(self, content: Json) -> str:
        item_id = content.get("item_id")
        if not isinstance(item_id, str) or self._reporter.items.get(item_id) is None:
            shown = str(item_id)[:MAX_SHOWN_CHARS]
            raise RequestError("item_not_found", f"there is no item {shown!r}", param="item_id")
        return item_id

    @property
    def _input_rate(self) -> int:
        return RATES[self._session.input_format]

    def _audio(self, pcm: bytes) -> InputAudioRawFrame:
        return InputAudioRawFrame(pcm, self._input_rate, 1)


_REQUESTS: dict[str, Callable[[RealtimeVisit, Json], list[Frame]]] = {
    "session.update": RealtimeVisit._update_session,
    APPEND: RealtimeVisit._append,
    "input_audio_buffer.commit": RealtimeVisit._commit,
    "input_audio_buffer.clear": RealtimeVisit._clear,
    "conversation.item.create": RealtimeVisit._create_item,
    "conversation.item.retrieve": RealtimeVisit._retrieve_item,
    "conversation.item.truncate": RealtimeVisit._truncate_item,
    "conversation.item.delete": RealtimeVisit._delete_item,
    "response.create": RealtimeVisit._create_response,
    "response.cancel": RealtimeVisit._cancel_response,
}


def _system(instructions: str) -> LLMMessagesAppendFrame:
    return LLMMessagesAppendFrame([{"role": "system", "content": instructions}], run_llm=False)


def _schema(tool: Tool) -> FunctionSchema:
    """Return a function that runs in the client."""
    parameters = tool.parameters
    properties, required = parameters.get("properties"), parameters.get("required")
    return FunctionSchema(
        tool.name,
        tool.description,
        properties if isinstance(properties, dict) else {},
        [each for each in required if isinstance(each, str)] if isinstance(required, list) else [],
    )


def _id_of(item: Json) -> str:
    given = item.get("id")
    return given if isinstance(given, str) and 0 < len(given) <= MAX_SHOWN_CHARS else new_id("item")


def _text_of(content: Any) -> str:
    """Return what a message's parts say.

    Raises:
        RequestError: There are parts of another kind.
    """
    if not isinstance(content, list):
        raise RequestError("invalid_type", "expected a list of parts", param="item.content")
    texts = []
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            message = f"expected parts with a text, got {json.dumps(part)[:MAX_SHOWN_CHARS]}"
            raise RequestError("invalid_value", message, param="item.content")
        texts.append(part["text"])
    return "\n".join(texts)
