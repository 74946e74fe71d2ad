"""Asking a caller who has fallen silent whether they are still there."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from voicewire.clock import TimerHandle
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    AudioRawFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputDTMFFrame,
    StopFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor
from voicewire.pipeline.owner import is_being_cancelled

MAX_CALLS = 1000
"""Function calls that are known to run at a time; more of them are not waited for."""

_USER = "user"
_BOT = "bot"

IdleCallback = Callable[["UserIdleProcessor", int], Awaitable[bool | None]]
"""Gets the processor, and how often in a row it has been called, from 1. False ends the asking."""


class UserIdleProcessor(InlineProcessor):
    """Calls back when the caller has said nothing for a while.

    Silence is counted from the last time that somebody stopped speaking, a key was pressed or a
    function call ended, but not while anybody speaks or a function call runs, and not before the
    conversation has begun. After each callback it is counted anew, so the timeout must be longer
    than the bot takes to answer. When the caller says something, `retry_count` begins at 1 again.

    It sees the most between speech-to-text and the language model; function calls it sees behind
    the language model, too. Who speaks is told in both directions.

    ::

        async def on_idle(idle, retry_count):
            if retry_count > 2:
                await idle.push_frame(TTSSpeakFrame("Goodbye."))
                await idle.push_frame(EndFrame())
                return False
            await idle.push_frame(TTSSpeakFrame("Are you still there?"))

        Pipeline([..., stt, UserIdleProcessor(10, on_idle), llm, tts, transport.output()])

    Args:
        timeout_secs: How long a silence is waited for.
        callback: Runs beside the pipeline, until the caller leaves. Where it returns False, the
            caller is not waited for any more. An exception in it becomes an `ErrorFrame`.
        max_retries: How often in a row it is called at most; None is without end.
        name: For logs.

    Raises:
        ConfigurationError: The timeout is not more than 0, or `max_retries` is less than 1.
        TypeError: The callback is not an `async def` function.
    """

    def __init__(
        self,
        timeout_secs: float,
        callback: IdleCallback,
        *,
        max_retries: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not timeout_secs > 0:
            raise ConfigurationError(f"timeout_secs is {timeout_secs}; expected more than 0")
        if max_retries is not None and max_retries < 1:
            raise ConfigurationError(f"max_retries is {max_retries}; expected 1 or more, or None")
        if not inspect.iscoroutinefunction(callback) and not asyncio.iscoroutinefunction(
            getattr(callback, "__call__", None)  # noqa: B004 - an object with an async __call__
        ):
            raise TypeError("the callback must be an `async def` function")
        self._timeout_secs = timeout_secs
        self._callback = callback
        self._max_retries = max_retries
        self._is_caller_here = False
        self._has_begun = False
        self._is_over = False
        self._retry_count = 0
        self._speakers: set[str] = set()
        self._calls: set[str] = set()
        self._silent_since = 0.0
        self._timer: TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    async def cleanup(self) -> None:
        self._forget()

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Give a frame to the neighbour in that direction, from a callback."""
        self.push(frame, direction)

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, AudioRawFrame):  # Nearly always, so it comes before all else.
            self.push(frame, direction)
            return
        if isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._forget()
            self._is_caller_here = isinstance(frame, ClientConnectedFrame)
        elif isinstance(frame, EndFrame | StopFrame | CancelFrame):
            self._is_over = True
            self._cancel_timer()
        elif self._note(frame):
            self._has_begun = True
            self._silent_since = self._require_setup().clock.now()
            self._wait()
        self.push(frame, direction)

    def _note(self, frame: Frame) -> bool:
        """Take note of a frame, and return whether it is a sign of life."""
        if isinstance(frame, UserStartedSpeakingFrame):
            self._retry_count = 0
            self._speakers.add(_USER)
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._speakers.discard(_USER)
        elif isinstance(frame, BotStartedSpeakingFrame):
            self._speakers.add(_BOT)
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._speakers.discard(_BOT)
        elif isinstance(frame, FunctionCallInProgressFrame):
            if len(self._calls) < MAX_CALLS:
                self._calls.add(frame.tool_call_id)
        elif isinstance(frame, FunctionCallResultFrame | FunctionCallCancelFrame):
            self._calls.discard(frame.tool_call_id)
        elif isinstance(frame, TranscriptionFrame | InputDTMFFrame):
            self._retry_count = 0
        else:
            return False
        return True

    @property
    def _is_waiting(self) -> bool:
        """Whether the caller's silence counts."""
        has_retries = self._max_retries is None or self._retry_count < self._max_retries
        is_quiet = not self._speakers and not self._calls and self._asking is None
        is_in_conversation = self._is_caller_here and self._has_begun and not self._is_over
        return is_in_conversation and is_quiet and has_retries

    def _wait(self) -> None:
        if self._timer is None and self._is_waiting:  # One that is set is left to look again.
            now = self._require_setup().clock.now()
            self._look_again(self._silent_since + self._timeout_secs - now)

    def _look_again(self, delay_secs: float) -> None:
        self._timer = self._require_setup().clock.call_later(delay_secs, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        if not self._is_waiting:
            return
        setup = self._require_setup()
        remaining_secs = self._silent_since + self._timeout_secs - setup.clock.now()
        if remaining_secs > 0:
            self._look_again(remaining_secs)
            return
        self._retry_count += 1
        self._asking = setup.tasks.create(
            self._ask(self._retry_count), name=f"{self.name} idle callback"
        )

    async def _ask(self, retry_count: int) -> None:
        goes_on: bool | None = None
        try:
            goes_on = await self._callback(self, retry_count)
        except asyncio.CancelledError as exc:
            if is_being_cancelled():
                raise
            failure = RuntimeError("it awaited something that was cancelled")
            failure.__cause__ = exc
            self._report_callback(failure)
        except Exception as exc:  # noqa: BLE001 - a callback must not end the session
            self._report_callback(exc)
        if self._asking is not asyncio.current_task():
            return  # It was about a caller who has left.
        self._asking = None
        self._is_over = self._is_over or goes_on is False
        self._silent_since = self._require_setup().clock.now()
        self._wait()

    def _report_callback(self, exception: Exception) -> None:
        kind = type(exception).__name__
        self.report_error(f"{kind} in the idle callback: {exception}", exception)

    def _forget(self) -> None:
        """Begin with nothing: the caller has left, or is a new one."""
        self._cancel_timer()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self._is_caller_here = self._has_begun = self._is_over = False
        self._retry_count = 0
        self._speakers.clear()
        self._calls.clear()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
