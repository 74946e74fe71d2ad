"""A conversation in OpenAI's form, as Anthropic's Messages API takes it. Pure.

What that asks for (docs.anthropic.com, "Messages" and "Tool use"): system text apart from the
messages; `user` and `assistant` by turns, a user first; no empty text; each `tool_use` with an id
of its own, and the `tool_result` of each at the beginning of the very next message.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicewire.context import LLMContext
from voicewire.frames import Message
from voicewire.services.function_calls import IN_PROGRESS

BEGIN = "(The conversation begins.)"
"""Said by the user where nobody has: a bot that greets is asked for its greeting."""

GO_ON = "(Go on.)"
"""Said by the user behind the bot's own words: newer models do not continue them."""

MAX_NAME_CHARS = 64

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_DATA_URL = re.compile(r"data:(?P<media_type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.+)", re.S)

Block = dict[str, Any]


@dataclass(frozen=True)
class Prompt:
    """What is asked of Anthropic.

    Attributes:
        system: Text blocks of the instructions.
        messages: By turns, a user first and last.
    """

    system: list[Block]
    messages: list[Message]


def to_anthropic(messages: Sequence[Message]) -> Prompt:
    """Return a conversation in Anthropic's form.

    System messages at its head are instructions; further on they stay where they are, marked, in
    the user's turn. Calls without a result are in progress; results without a call are dropped.

    Args:
        messages: In OpenAI's form.
    """
    system: list[Block] = []
    turns = _Turns()
    results = _Results(messages)
    has_begun = False
    for index, message in enumerate(messages):
        role = message.get("role")
        blocks = _blocks_of(message.get("content"))
        if role in ("system", "developer"):
            texts = [block for block in blocks if block["type"] == "text"]
            if has_begun:
                turns.add("user", [_marked(block) for block in texts])
            else:
                system += texts
        elif role == "assistant":
            has_begun = True
            turns.add("assistant", [block for block in blocks if block["type"] == "text"])
            calls = message.get("tool_calls") or ()
            if calls:
                uses, answers = results.pair(index, calls)
                turns.add("assistant", uses)
                turns.add("user", answers)
        elif role != "tool":  # Results have been paired with their calls.
            has_begun = True
            turns.add("user", blocks)
    return Prompt(system, turns.complete())


def to_tools(context: LLMContext, messages: Iterable[Message]) -> dict[str, Any]:
    """Return the options of a request that describe its tools; none if there are none.

    Where the context has lost its tools, those that were called are named: Anthropic refuses calls
    in a conversation without tools.

    Args:
        context: The tools, and whether one has to be called.
        messages: In Anthropic's form.
    """
    if context.tools:
        options: dict[str, Any] = {
            "tools": [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": tool.parameters,
                }
                for tool in context.tools.standard_tools
            ]
        }
        choice = _to_tool_choice(context.tool_choice)
        return options if choice is None else {**options, "tool_choice": choice}
    blocks = (block for message in messages for block in message["content"])
    called = dict.fromkeys(block["name"] for block in blocks if block["type"] == "tool_use")
    if not called:
        return {}
    return {
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in called],
        "tool_choice": {"type": "none"},
    }


def mark_for_cache(options: dict[str, Any]) -> None:
    """Have Anthropic keep a request's beginning, up to two places: instructions, and all of it.

    The next request of the same conversation begins alike, and is charged and answered faster
    (docs.anthropic.com, "Prompt caching").

    Args:
        options: `tools`, `system` and `messages` of a request; changed in place.
    """
    kept = {"type": "ephemeral"}
    head = options.get("system") or options.get("tools")
    if head:
        head[-1] = {**head[-1], "cache_control": kept}
    last = options["messages"][-1]["content"]
    last[-1] = {**last[-1], "cache_control": kept}


class _Turns:
    """Messages by turns: what one side says without the other is one message."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def add(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if not self._messages and role == "assistant":
            self.add("user", [_text(BEGIN)])
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"] += blocks
        else:
            self._messages.append({"role": role, "content": list(blocks)})

    def complete(self) -> list[Message]:
        if not self._messages:
            self.add("user", [_text(BEGIN)])
        elif self._messages[-1]["role"] == "assistant":
            self.add("user", [_text(GO_ON)])
        return self._messages


class _Results:
    """The results of a conversation's calls, wherever they stand behind them."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._results = [
            (index, str(message.get("tool_call_id")), message)
            for index, message in enumerate(messages)
            if message.get("role") == "tool"
        ]
        self._ids: set[str] = set()

    def pair(self, index: int, calls: Iterable[Mapping[str, Any]]) -> tuple[list[Block], ...]:
        """Return the `tool_use` and the `tool_result` blocks of the calls in a message.

        Args:
            index: Of the message.
            calls: Its `tool_calls`.
        """
        uses: list[Block] = []
        answers: list[Block] = []
        for call in calls:
            function = call.get("function") or {}
            given = str(call.get("id"))
            call_id = self._new_id(given)
            uses.append(
                {
                    "type": "tool_use",
                    "id": call_id,
                    "name": _NOT_IN_NAMES.sub("_", str(function.get("name")))[:MAX_NAME_CHARS]
                    or "_",
                    "input": _to_input(function.get("arguments")),
                }
            )
            answers.append(
                {
                    "type": "tool_result",
                    "tool_use_id": call_id,
                    "content": self._take(index, given) or IN_PROGRESS,
                }
            )
        return uses, answers

    def _take(self, index: int, call_id: str) -> str | list[Block]:
        """Return the first result behind a message that answers this call."""
        for number, (at, answers, message) in enumerate(self._results):
            if at > index and answers == call_id:
                del self._results[number]
                return _blocks_of(message.get("content"))
        return ""

    def _new_id(self, given: str) -> str:
        """Return an id that Anthropic takes: some servers begin anew with `call_0` each time."""
        wanted = _NOT_IN_NAMES.sub("_", given) or "call"
        call_id, number = wanted, 1
        while call_id in self._ids:
            number += 1
            call_id = f"{wanted}_{number}"
        self._ids.add(call_id)
        return call_id


def _blocks_of(content: Any) -> list[Block]:
    """Return the parts of a message's content that say something."""
    if content is None:
        return []
    parts = content if isinstance(content, list) else [content]
    blocks = (_to_block(part) for part in parts)
    return [block for block in blocks if block is not None]


def _to_block(part: Any) -> Block | None:
    if not isinstance(part, Mapping):
        return _text_or_none(str(part))
    kind = part.get("type")
    if kind == "image_url":
        image = part.get("image_url")
        url = str(image.get("url") if isinstance(image, Mapping) else image)
        inline = _DATA_URL.fullmatch(url)
        source = {"type": "base64", **inline.groupdict()} if inline else {"type": "url", "url": url}
        return {"type": "image", "source": source}
    if kind in ("image", "document") and isinstance(part.get("source"), Mapping):
        return dict(part)  # In Anthropic's own form.
    text = part.get("text") or part.get("refusal") or part.get("transcript")
    return _text_or_none(text) if isinstance(text, str) else None


def _text_or_none(text: str) -> Block | None:
    return _text(text) if text.strip() else None


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _marked(block: Block) -> Block:
    return _text(f"<system>{block['text']}</system>")


def _to_input(arguments: Any) -> dict[str, Any]:
    if isinstance(arguments, Mapping):
        return dict(arguments)
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, TypeError, RecursionError):
        given = arguments
    # What the model has written wrongly it may see: the result tells it why.
    return given if isinstance(given, dict) else {"arguments": given}


def _to_tool_choice(choice: str | dict[str, Any] | None) -> dict[str, Any] | None:
    if isinstance(choice, dict):
        return {"type": "tool", "name": choice.get("function", choice).get("name")}
    if choice is None:
        return None
    return {"type": {"required": "any"}.get(choice, choice)}
