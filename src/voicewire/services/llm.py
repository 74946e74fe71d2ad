"""Language models."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator

from voicewire.clock import TimerHandle
from voicewire.frames import (
    ClientConnectedFrame,
    Frame,
    LLMConfigureOutputFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMTextFrame,
    Message,
    SystemFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.services.base import Service

MAX_MESSAGES = 200
"""Messages that the service remembers by itself; the oldest go first, system messages stay."""

TRANSCRIPT_SECS = 1.5
"""How long after the caller has stopped a transcription may still be on its way."""


class LLMService(Service):
    """Answers, streaming. Subclasses override `stream_answer`.

    In a pipeline with context aggregators it answers each `LLMContextFrame`. Without them it keeps
    the conversation itself: an `LLMMessagesFrame` begins it, and each `TranscriptionFrame` is a
    question. A caller who speaks on is not answered until they have finished.

    Attributes:
        messages: The conversation that the service keeps itself, of the present caller.
    """

    handles = (
        LLMContextFrame,
        LLMMessagesFrame,
        LLMMessagesAppendFrame,
        LLMMessagesUpdateFrame,
        LLMRunFrame,
        LLMConfigureOutputFrame,
        TranscriptionFrame,
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.messages: list[Message] = []
        self._is_user_speaking = False
        self._has_open_question = False
        self._skips_tts = False
        self._transcript_timer: TimerHandle | None = None

    @abstractmethod
    def stream_answer(self, messages: list[Message]) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece.

        An interruption raises `asyncio.CancelledError` in it: close the connection in `finally`.
        """

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        if isinstance(frame, UserStartedSpeakingFrame):
            self._is_user_speaking = True
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._is_user_speaking = False
            if self._has_open_question:
                # What made the caller's voice heard again may turn out to be no words at all.
                self._cancel_timer()
                self._transcript_timer = self._require_setup().clock.call_later(
                    TRANSCRIPT_SECS, self._answer_open_question
                )
        elif isinstance(frame, ClientConnectedFrame):
            self.messages = []
            self._is_user_speaking = False
            self._has_open_question = False
            self._skips_tts = False
            self._cancel_timer()

    async def cleanup(self) -> None:
        self._cancel_timer()
        await super().cleanup()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, TranscriptionFrame):
            self.push(frame, direction)
            _append(self.messages, {"role": "user", "content": frame.text})
            if self._is_user_speaking:
                self._has_open_question = True
            else:
                await self._answer()
        elif isinstance(frame, LLMContextFrame):
            await self._say_answer(list(frame.context.messages))
        elif isinstance(frame, LLMMessagesFrame):
            self.messages = list(frame.messages)
            await self._answer()
        elif isinstance(frame, LLMMessagesUpdateFrame):
            self.messages = list(frame.messages)
            if frame.run_llm:
                await self._answer()
        elif isinstance(frame, LLMMessagesAppendFrame):
            _append(self.messages, *frame.messages)
            if frame.run_llm:
                await self._answer()
        elif isinstance(frame, LLMConfigureOutputFrame):
            self._skips_tts = frame.skip_tts
            self.push(frame, direction)
        else:
            await self._answer()

    async def _answer(self) -> None:
        """Answer the conversation that the service keeps itself."""
        self._has_open_question = False
        # An answer that is cut off may end when the next caller has come: theirs is another list.
        conversation = self.messages
        answer: list[str] = []
        try:
            await self._say_answer(list(conversation), answer)
        finally:
            if answer:
                _append(conversation, {"role": "assistant", "content": "".join(answer)})

    async def _say_answer(self, messages: list[Message], answer: list[str] | None = None) -> None:
        clock = self._require_setup().clock
        started_at = clock.now()
        is_first = True
        self.push(LLMFullResponseStartFrame())
        pieces = self.stream_answer(messages)
        try:
            async for piece in pieces:
                if is_first:
                    self.report_metric("ttfb_secs", clock.now() - started_at)
                    is_first = False
                if answer is not None:
                    answer.append(piece)
                self.push(LLMTextFrame(piece, skip_tts=self._skips_tts))
        except asyncio.CancelledError:
            raise  # Whoever waits for the end of this answer was told by the interruption.
        except Exception:
            self.push(LLMFullResponseEndFrame())
            raise
        finally:
            await pieces.aclose()
        self.push(LLMFullResponseEndFrame())

    def _cancel_timer(self) -> None:
        if self._transcript_timer is not None:
            self._transcript_timer.cancel()
            self._transcript_timer = None

    def _answer_open_question(self) -> None:
        if self._has_open_question and not self._is_user_speaking:
            self._post(LLMRunFrame())


def _append(conversation: list[Message], *messages: Message) -> None:
    """Add messages; beyond MAX_MESSAGES the oldest go, but not the system's."""
    conversation += messages
    while len(conversation) > MAX_MESSAGES:
        oldest = (i for i, m in enumerate(conversation) if m.get("role") != "system")
        del conversation[next(oldest, 0)]
