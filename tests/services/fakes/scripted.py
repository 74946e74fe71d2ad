"""Services that do as they are told."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from voicewire.context import LLMContext
from voicewire.frames import Message
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import LLMService

Step = str | ToolCall | Exception | asyncio.Event
"""Of an answer: a piece is yielded, an exception raised, an event waited for."""


class ScriptedLLM(LLMService):
    """Answers as its script says; a question beyond it is answered with `…`.

    Args:
        script: The steps of one answer after the other.
        options: As of any language model.

    Attributes:
        asked: The messages of each question, as they were when it was asked.
        num_closed: How many answers have ended, one way or the other.
    """

    def __init__(self, *script: Sequence[Step], **options: Any) -> None:
        super().__init__(**options)
        self._script = list(script)
        self.asked: list[list[Message]] = []
        self.num_closed = 0

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        self.asked.append([dict(message) for message in context.messages])
        try:
            for step in self._script.pop(0) if self._script else ["…"]:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        finally:
            self.num_closed += 1
