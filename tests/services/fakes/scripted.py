"""Services that do as they are told."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from voicewire.context import LLMContext
from voicewire.frames import Message, WordTime
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import LLMService
from voicewire.services.stt import SegmentedSTTService
from voicewire.services.tts import TTSService

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


class ScriptedTTS(TTSService):
    """Speaks each sentence as its script says; beyond it, one piece of `audio`.

    Args:
        script: The steps of one sentence after the other.
        audio: What it says beyond the script.
        options: As of any text-to-speech.
    """

    def __init__(
        self,
        *script: Sequence[bytes | WordTime | Exception | asyncio.Event],
        audio: bytes = b"\x01\x00" * 240,
        **options: Any,
    ) -> None:
        super().__init__(**{"sample_rate": 24000, **options})
        self._script = list(script)
        self._audio = audio
        self.spoken: list[str] = []

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        self.spoken.append(text)
        for step in self._script.pop(0) if self._script else [self._audio]:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step


class ScriptedSTT(SegmentedSTTService):
    """Hears what its script says; beyond it, `words`.

    Args:
        script: What comes of one recording after the other.
        words: What it hears beyond the script.
        options: As of any segmented speech-to-text.
    """

    def __init__(
        self, *script: str | Exception | asyncio.Event, words: str = "hello", **options: Any
    ) -> None:
        super().__init__(**options)
        self._script = list(script)
        self._words = words
        self.heard: list[bytes] = []

    async def transcribe(self, pcm: bytes) -> str:
        self.heard.append(pcm)
        step = self._script.pop(0) if self._script else self._words
        if isinstance(step, Exception):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
            return ""
        return step
