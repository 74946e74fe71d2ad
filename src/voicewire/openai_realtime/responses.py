"""One answer of the bot, told as the events of a response. Pure."""

from collections.abc import Callable
from typing import Any

from voicewire.openai_realtime.items import (
    Items,
    assistant_message,
    function_call,
    new_id,
)

Json = dict[str, Any]
Send = Callable[[Json], None]


class Response:
    """A response that is in progress, from `response.created` to `response.done`.

    Args:
        send: Sends an event.
        items: Where its items are kept.
        is_spoken: Whether its message is audio, or text.

    Attributes:
        id: The client sees it.
        item_id: Its message; None before it has one.
    """

    def __init__(self, send: Send, items: Items, *, is_spoken: bool) -> None:
        self.id = new_id("resp")
        self.item_id: str | None = None
        self._send = send
        self._items = items
        self._is_spoken = is_spoken
        self._texts: list[str] = []
        self._output: list[Json] = []
        self._message_index = 0
        self._tell("response.created", response=self._to_json("in_progress"))

    @property
    def audio_fields(self) -> Json | None:
        """What says of audio that it is this response's; None before there is a message."""
        return self._part_fields() if self.item_id is not None and self._is_spoken else None

    def begin_message(self) -> str:
        """Begin the message; return its id."""
        self.item_id = new_id("item")
        self._message_index = len(self._output)
        item = assistant_message(self.item_id, [], status="in_progress")
        self._output.append(item)
        self._add_item(item, self._message_index)
        self._tell("response.content_part.added", **self._part_fields(), part=self._part(""))
        return self.item_id

    def add_text(self, text: str) -> None:
        """Tell what is being said, or written."""
        self._texts.append(text)
        kind = "output_audio_transcript" if self._is_spoken else "output_text"
        self._tell(f"response.{kind}.delta", **self._part_fields(), delta=text)

    def call_function(self, call_id: str, name: str, arguments: str) -> None:
        """Have the client run a function."""
        item_id, index = new_id("item"), len(self._output)
        item = function_call(item_id, call_id, name, "", status="in_progress")
        self._output.append(item)
        self._add_item(item, index)
        fields = {
            "response_id": self.id,
            "item_id": item_id,
            "output_index": index,
            "call_id": call_id,
        }
        self._tell("response.function_call_arguments.delta", **fields, delta=arguments)
        self._tell(
            "response.function_call_arguments.done", **fields, name=name, arguments=arguments
        )
        item |= {"arguments": arguments, "status": "completed"}
        self._end_item(item, index)

    def finish(self, status: str = "completed", *, reason: str | None = None) -> None:
        """Tell that it is over.

        Args:
            status: `"completed"`, `"cancelled"` or `"failed"`.
            reason: Why it was cancelled: `"turn_detected"` or `"client_cancelled"`.
        """
        if self.item_id is not None:
            self._end_message("completed" if status == "completed" else "incomplete")
        details = {"type": status} if reason is None else {"type": status, "reason": reason}
        self._tell("response.done", response={**self._to_json(status), "status_details": details})

    def _end_message(self, status: str) -> None:
        text = "".join(self._texts)
        fields = self._part_fields()
        if self._is_spoken:
            self._tell("response.output_audio.done", **fields)
            self._tell("response.output_audio_transcript.done", **fields, transcript=text)
        else:
            self._tell("response.output_text.done", **fields, text=text)
        self._tell("response.content_part.done", **fields, part=self._part(text))
        item = self._output[self._message_index]
        kind = "output_audio" if self._is_spoken else "output_text"
        field = "transcript" if self._is_spoken else "text"
        item |= {"status": status, "content": [{"type": kind, field: text}]}
        self._end_item(item, self._message_index)

    def _add_item(self, item: Json, index: int) -> None:
        fields = {"response_id": self.id, "output_index": index}
        self._tell("response.output_item.added", **fields, item=dict(item))
        previous = self._items.add(item)
        self._tell("conversation.item.added", previous_item_id=previous, item=dict(item))

    def _end_item(self, item: Json, index: int) -> None:
        fields = {"response_id": self.id, "output_index": index}
        self._tell("response.output_item.done", **fields, item=dict(item))
        self._tell("conversation.item.done", previous_item_id=None, item=dict(item))

    def _part(self, text: str) -> Json:
        if self._is_spoken:
            return {"type": "audio", "transcript": text}
        return {"type": "text", "text": text}

    def _part_fields(self) -> Json:
        return {
            "response_id": self.id,
            "item_id": self.item_id,
            "output_index": self._message_index,
            "content_index": 0,
        }

    def _to_json(self, status: str) -> Json:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [dict(each) for each in self._output],
            "output_modalities": ["audio"] if self._is_spoken else ["text"],
            # Services differ in whether they count; what is not known is not made up.
            "usage": None,
        }

    def _tell(self, kind: str, **fields: Any) -> None:
        self._send({"type": kind, **fields})
