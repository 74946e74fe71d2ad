"""Long conversations, made short: older messages give way to a summary of them."""

import asyncio
import copy
import logging
from typing import Any, Self

from pydantic import Field, model_validator

from voicewire.context import LLMContext
from voicewire.frames import Message
from voicewire.params import Params
from voicewire.services.function_calls import IN_PROGRESS
from voicewire.services.llm import LLMService

logger = logging.getLogger(__name__)

PROMPT = (
    "Summarize this conversation between a caller (user) and a voice assistant, for the assistant "
    "to go on with it. Keep names, numbers, dates, decisions, what was promised and what is still "
    "open. Write plain sentences, at most 200 words, and nothing else."
)

HEADING = "Summary of the conversation so far: "
"""Begins a summary; the next one takes it in, so that there is never more than one."""

MIN_MESSAGES = 2
"""Fewer are not worth a summary."""


class ContextSummary(Params):
    """When and how a conversation is summarised.

    Attributes:
        max_messages: Beyond so many it is due.
        keep_messages: The newest, which stay as they are.
        prompt: What the model is asked to do.
        timeout_secs: Longest wait for a summary.
    """

    max_messages: int = Field(default=60, ge=MIN_MESSAGES)
    keep_messages: int = Field(default=12, ge=0)
    prompt: str = PROMPT
    timeout_secs: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _keeps_fewer_than_it_allows(self) -> Self:
        if self.keep_messages >= self.max_messages:
            raise ValueError("keep_messages must be less than max_messages")
        return self


class ContextSummarizer:
    """Has a language model summarise the older part of a conversation, beside it.

    ::

        summarizer = ContextSummarizer(llm)
        ...
        if summarizer.is_due(context):
            processor.create_task(summarizer.summarize(context))

    Args:
        llm: In a running pipeline; what it says here goes nowhere else.
        settings: When and how.
    """

    def __init__(self, llm: LLMService, settings: ContextSummary | None = None) -> None:
        self._llm = llm
        self._settings = settings or ContextSummary()

    def is_due(self, context: LLMContext) -> bool:
        """Return whether there are too many messages, and enough of them are old."""
        return (
            len(context.messages) > self._settings.max_messages
            and len(_said(context.messages[: self._end_of_old(context.messages)])) >= MIN_MESSAGES
        )

    async def summarize(self, context: LLMContext) -> bool:
        """Replace the older messages by a summary; return whether that was done.

        System messages stay, in front of it. A call of a function stays with its result, and one
        that still runs stays. Where the older messages change while the model reads them, or it
        fails, the conversation is left as it is; a failure is logged.
        """
        end = self._end_of_old(context.messages)
        old = context.messages[:end]
        said = _said(old)
        if len(said) < MIN_MESSAGES:
            return False
        as_it_was = copy.deepcopy(old)
        question = LLMContext(
            [
                {"role": "system", "content": self._settings.prompt},
                {"role": "user", "content": "\n".join(map(_to_line, said))},
            ]
        )
        try:
            async with asyncio.timeout(self._settings.timeout_secs):
                summary = (await self._llm.run_inference(question)).strip()
        except Exception:
            logger.exception("no summary of %d messages", len(said))
            return False
        if not summary:
            logger.warning("the summary of %d messages is empty", len(said))
            return False
        now = context.messages[:end]
        is_same = len(now) == end and all(a is b for a, b in zip(now, old, strict=True))
        if not is_same or now != as_it_was:
            logger.info("the conversation has changed under its summary, which is dropped")
            return False
        kept = [message for message in old if _is_instruction(message)]
        context.messages[:end] = [*kept, {"role": "system", "content": HEADING + summary}]
        return True

    def _end_of_old(self, messages: list[Message]) -> int:
        """Return how many messages, from the first on, are old and belong together."""
        end = max(0, len(messages) - self._settings.keep_messages)
        called_at: dict[str, int] = {}
        answered_at: dict[int, int] = {}
        for index, message in enumerate(messages):
            for call in message.get("tool_calls") or ():
                called_at[str(call.get("id"))] = index
                answered_at[index] = len(messages)  # Until there is a result, it still runs.
            if message.get("role") == "tool" and message.get("content") != IN_PROGRESS:
                at = called_at.pop(str(message.get("tool_call_id")), None)
                if at is not None and at not in called_at.values():
                    answered_at[at] = index
        # Backwards: moving the end to before one call may split an earlier one.
        for at, answered in sorted(answered_at.items(), reverse=True):
            if at < end <= answered:
                end = at
        return end


def _said(messages: list[Message]) -> list[Message]:
    """Return what is to be summarised: all but the program's own instructions."""
    return [message for message in messages if not _is_instruction(message)]


def _is_instruction(message: Message) -> bool:
    is_system = message.get("role") in ("system", "developer")
    return is_system and not str(message.get("content")).startswith(HEADING)


def _to_line(message: Message) -> str:
    role = message.get("role")
    words = _words_of(message.get("content"))
    if role == "tool":
        return f"(result: {words})"
    calls = [call.get("function", {}) for call in message.get("tool_calls") or ()]
    called = [f"(calls {each.get('name')}: {each.get('arguments')})" for each in calls]
    text = " ".join([words, *called] if words else called)
    return text if role == "system" else f"{role}: {text}"


def _words_of(content: Any) -> str:
    if isinstance(content, list):
        parts = (part.get("text", f"({part.get('type')})") for part in content)
        return " ".join(map(str, parts))
    return "" if content is None else str(content)
