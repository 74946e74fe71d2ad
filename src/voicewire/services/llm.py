"""Language models."""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from pydantic import Field

from voicewire.clock import TimerHandle
from voicewire.context import FunctionSchema, LLMContext, schema_of
from voicewire.errors import ServiceError
from voicewire.frames import (
    BotSpeechCutFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMSpeculationFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    Message,
    SystemFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, ProcessorSetup, Role
from voicewire.services.base import Service, ServiceSettings
from voicewire.services.function_calls import FunctionCalls, ToolCall
from voicewire.services.speculation import Speculation

TRANSCRIPT_SECS = 1.5
"""How long after the caller has stopped a transcription may still be on its way."""

FIRST_WORD_SECS = 30.0
"""Longest wait for an answer's first words, and for each of the next ones."""

MAX_REMEMBERED_ANSWERS = 16
"""Answers that may still be cut: more are not on their way to the caller at a time."""


class LLMSettings(ServiceSettings):
    """What can be changed of a language model in mid-call."""

    temperature: float | None = Field(default=None, ge=0.0)
    """Of sampling; None leaves it to the service."""

    max_tokens: int | None = Field(default=None, ge=1)
    """Longest answer; None leaves it to the service."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further options of the service's own request."""


@dataclass(eq=False)
class _Answer:
    """One answer in the conversation that the service keeps itself."""

    id: int
    message: Message = dataclass_field(default_factory=lambda: {"role": "assistant", "content": ""})
    is_cut: bool = False
    index: int = 0
    """Where it stood in the conversation, once it has been taken out because nothing was heard."""


@dataclass(slots=True, eq=False)
class _RunAgainFrame(LLMRunFrame):
    """The functions have returned that the model has called in this context."""

    context: LLMContext


class LLMService(Service[LLMSettings]):
    """Answers, streaming. Subclasses override `stream_answer`.

    In a pipeline with context aggregators it answers each `LLMContextFrame`. Without them it keeps
    the conversation itself: an `LLMMessagesFrame` begins it, and each `TranscriptionFrame` is a
    question. A caller who speaks on is not answered until they have finished, and of an answer that
    was cut off, what was heard is remembered.

    Functions that the model calls run beside the conversation; when all that an answer has asked
    for have returned, the model is asked again.

    Args:
        settings: What can be changed in mid-call.
        context: The conversation that the service keeps itself, with its tools; a caller's begins
            with nothing of the one before.
        first_word_secs: Longest wait for an answer's first words, and for each of the next ones.
        name: For logs.

    Attributes:
        context: The conversation that the service keeps itself, of the present caller.
    """

    handles = (
        LLMContextFrame,
        LLMSpeculationFrame,
        LLMMessagesFrame,
        LLMMessagesAppendFrame,
        LLMMessagesUpdateFrame,
        LLMRunFrame,
        LLMSetToolChoiceFrame,
        LLMSetToolsFrame,
        LLMConfigureOutputFrame,
        LLMUpdateSettingsFrame,
        FunctionCallResultFrame,
        TranscriptionFrame,
    )

    def __init__(
        self,
        *,
        settings: LLMSettings | None = None,
        context: LLMContext | None = None,
        first_word_secs: float = FIRST_WORD_SECS,
        name: str | None = None,
    ) -> None:
        super().__init__(settings or LLMSettings(), name=name)
        self.context = context or LLMContext()
        self._opening = list(self.context.messages)
        self._first_word_secs = first_word_secs
        self._functions: dict[str, FunctionSchema] = {}
        self._calls: FunctionCalls | None = None
        self._speculation: Speculation | None = None
        self._is_user_speaking = False
        self._open_question: LLMContext | None = None
        self._skips_tts = False
        self._transcript_timer: TimerHandle | None = None
        self._answer_in_hand: _Answer | None = None
        self._answers: deque[_Answer] = deque(maxlen=MAX_REMEMBERED_ANSWERS)

    @property
    def messages(self) -> list[Message]:
        """The conversation that the service keeps itself."""
        return self.context.messages

    @abstractmethod
    def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        """Yield the answer piece by piece, and each function that it calls.

        An interruption raises `asyncio.CancelledError` in it: close the connection in `finally`.
        """

    async def run_inference(self, context: LLMContext) -> str:
        """Return the answer to a context, beside the conversation: nothing is said or remembered.

        Raises:
            ServiceError: The answer did not begin in time.
        """
        async with aclosing(self._in_time(context)) as pieces:
            return "".join([piece async for piece in pieces if isinstance(piece, str)])

    def register_function(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        cancel_on_interruption: bool = True,
        timeout_secs: float | None = None,
    ) -> None:
        """Call `handler(params)` when the model calls the function `name` of a context's tools.

        Args:
            name: As in the context's tools.
            handler: Takes `FunctionCallParams`; returns the result, or gives it to
                `params.result_callback`.
            cancel_on_interruption: Whether the call is given up when the caller interrupts.
            timeout_secs: Longest run; None is 30 s.
        """
        self._functions[name] = FunctionSchema(
            name,
            "",
            handler=handler,
            cancel_on_interruption=cancel_on_interruption,
            timeout_secs=timeout_secs,
        )

    def register_direct_function(self, function: Callable[..., Any] | FunctionSchema) -> None:
        """Call this function when the model calls it by its name."""
        schema = schema_of(function)
        self._functions[schema.name] = schema

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        self._calls = FunctionCalls(
            self, push=self.push, run_again=self._run_again, clock=setup.clock, tasks=setup.tasks
        )

    async def cleanup(self) -> None:
        self._cancel_timer()
        await super().cleanup()

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._drop_speculation()
        elif isinstance(frame, UserStartedSpeakingFrame):
            self._is_user_speaking = True
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._is_user_speaking = False
            if self._open_question is not None:
                # What made the caller's voice heard again may turn out to be no words at all.
                self._cancel_timer()
                self._transcript_timer = self._require_setup().clock.call_later(
                    TRANSCRIPT_SECS, self._answer_open_question
                )
        elif isinstance(frame, InterruptionFrame):
            self._drop_speculation()
            self._cut_answer_in_hand()
            if self._calls is not None:
                self._calls.interrupt()
        elif isinstance(frame, BotSpeechCutFrame):
            self._remember_heard(frame)
        elif isinstance(frame, ClientDisconnectedFrame):
            self._drop_speculation()
            if self._calls is not None:
                self._calls.forget()
        elif isinstance(frame, ClientConnectedFrame):
            self.context = LLMContext(self._opening, self.context.tools, self.context.tool_choice)
            self._answers.clear()
            self._is_user_speaking = False
            self._open_question = None
            self._skips_tts = False
            self._cancel_timer()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, TranscriptionFrame):
            self.push(frame, direction)
            if not self._keeps_conversation:
                return
            self.context.add_message({"role": "user", "content": frame.text})
            if self._is_user_speaking:
                self._open_question = self.context
            else:
                await self._answer(self.context)
        elif isinstance(frame, LLMContextFrame):
            await self._answer(frame.context)
        elif isinstance(frame, LLMSpeculationFrame):
            self._speculate(frame.context)
        elif isinstance(frame, LLMMessagesFrame):
            self.context.set_messages(frame.messages)
            await self._answer(self.context)
        elif isinstance(frame, LLMMessagesUpdateFrame):
            self.context.set_messages(frame.messages)
            if frame.run_llm:
                await self._answer(self.context)
        elif isinstance(frame, LLMMessagesAppendFrame):
            self.context.add_messages(frame.messages)
            if frame.run_llm:
                await self._answer(self.context)
        elif isinstance(frame, LLMSetToolsFrame):
            self.context.set_tools(frame.tools, keeps_own=frame.keeps_own)
        elif isinstance(frame, LLMSetToolChoiceFrame):
            self.context.set_tool_choice(frame.tool_choice)
        elif isinstance(frame, LLMConfigureOutputFrame):
            self._skips_tts = frame.skip_tts
            self.push(frame, direction)
        elif isinstance(frame, LLMUpdateSettingsFrame):
            await self._update(frame)
            self.push(frame, direction)
        elif isinstance(frame, FunctionCallResultFrame):
            if self._calls is None or not self._calls.take_result(frame):
                self.push(frame, direction)
        elif isinstance(frame, _RunAgainFrame):
            await self._answer(frame.context)
        else:
            await self._answer(self.context)

    @property
    def _keeps_conversation(self) -> bool:
        return Role.MEMORY not in self._require_setup().roles

    async def _answer(self, context: LLMContext) -> None:
        self._open_question = None
        clock = self._require_setup().clock
        started_at = clock.now()
        is_first = True
        calls: list[ToolCall] = []
        start = LLMFullResponseStartFrame()
        answer = _Answer(start.id) if context is self.context and self._keeps_conversation else None
        self._answer_in_hand = answer
        self.push(start)
        try:
            async with aclosing(self._begun_or_new(context)) as pieces:
                async for piece in pieces:
                    if is_first:
                        self.report_metric("ttfb_secs", clock.now() - started_at)
                        is_first = False
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                        continue
                    if answer is not None:
                        self._remember_generated(answer, context, piece)
                    self.push(LLMTextFrame(piece, skip_tts=self._skips_tts))
        except asyncio.CancelledError:
            raise  # Whoever waits for the end of this answer was told by the interruption.
        except Exception:
            self.push(LLMFullResponseEndFrame())
            raise
        finally:
            self._answer_in_hand = None
        self.push(LLMFullResponseEndFrame())
        if calls:
            assert self._calls is not None  # noqa: S101 - made in `setup`
            self._calls.start(context, calls, self._functions_of(context))

    def _functions_of(self, context: LLMContext) -> dict[str, FunctionSchema]:
        """Return what can be called: a registered handler comes before none at all."""
        functions = {tool.name: tool for tool in context.tools.standard_tools}
        for name, registered in self._functions.items():
            if name not in functions or functions[name].handler is None:
                functions[name] = registered
        return functions

    def _speculate(self, context: LLMContext) -> None:
        self._drop_speculation()
        self._speculation = Speculation(context, self._in_time, self._require_setup().tasks)

    def _drop_speculation(self) -> None:
        if self._speculation is not None:
            self._speculation.drop()
            self._speculation = None

    def _begun_or_new(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        """Return the answer that was begun on speculation, if it is to this; else a new one."""
        speculation, self._speculation = self._speculation, None
        if speculation is not None and speculation.is_about(context):
            return speculation.stream()
        if speculation is not None:
            speculation.drop()
        return self._in_time(context)

    async def _in_time(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        """Yield the answer's pieces.

        Raises:
            ServiceError: One took longer than `first_word_secs`.
        """
        async with aclosing(self.stream_answer(context)) as pieces:
            while True:
                try:
                    async with asyncio.timeout(self._first_word_secs):
                        piece = await anext(pieces, None)
                except TimeoutError as exc:
                    raise ServiceError(
                        f"the language model said nothing for {self._first_word_secs:g} s"
                    ) from exc
                if piece is None:
                    return
                yield piece

    def _remember_generated(self, answer: _Answer, context: LLMContext, piece: str) -> None:
        if answer.is_cut:
            return
        if not answer.message["content"]:
            self._answers.append(answer)
            context.add_message(answer.message)
        answer.message["content"] += piece

    def _cut_answer_in_hand(self) -> None:
        """Forget the answer that is being generated: what has been heard of it is told next."""
        is_spoken = Role.VOICE in self._require_setup().roles and not self._skips_tts
        if self._answer_in_hand is not None and is_spoken:
            self._set_heard(self._answer_in_hand, "")

    def _remember_heard(self, frame: BotSpeechCutFrame) -> None:
        for answer in self._answers:
            mine = [each for each in frame.sentences if each.sentence.answer_id == answer.id]
            if mine:
                self._set_heard(answer, " ".join(each.heard for each in mine if each.heard))

    def _set_heard(self, answer: _Answer, heard: str) -> None:
        answer.is_cut = True
        was_there = bool(answer.message["content"])
        answer.message["content"] = heard
        if was_there and not heard:
            answer.index = self.context.remove(answer.message)
        elif heard and not was_there:
            self.context.messages.insert(answer.index, answer.message)

    def _run_again(self, context: LLMContext) -> None:
        if self._is_user_speaking:
            self._open_question = context
        else:
            self._post(_RunAgainFrame(context))

    def _cancel_timer(self) -> None:
        if self._transcript_timer is not None:
            self._transcript_timer.cancel()
            self._transcript_timer = None

    def _answer_open_question(self) -> None:
        if self._open_question is not None and not self._is_user_speaking:
            self._post(_RunAgainFrame(self._open_question))
