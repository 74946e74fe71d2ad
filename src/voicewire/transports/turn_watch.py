"""Whether somebody's turn is under way, so that an end now would cut it. Pure."""

from collections.abc import Callable

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

ANSWER_SECS = 5.0
"""How long the bot may think until an answer begins; then there will be none."""


class TurnWatch:
    """Follows a conversation by the frames that reach the end of the pipeline."""

    __slots__ = (
        "_answer_due_at",
        "_bot_is_speaking",
        "_caller_is_speaking",
        "_calls",
        "_is_answering",
    )

    def __init__(self) -> None:
        self._caller_is_speaking = False
        self._bot_is_speaking = False
        self._is_answering = False
        self._calls: set[str] = set()
        self._answer_due_at: float | None = None

    def see(self, frame: Frame, *, now: float) -> None:
        """Take note of a frame of a type that `cares_about` names."""
        _ACTIONS[type(frame)](self, frame, now)

    def cares_about(self, frame_type: type[Frame]) -> bool:
        """Return whether frames of this type have to do with turns."""
        return frame_type in _ACTIONS

    def is_settled(self, *, now: float) -> bool:
        """Return whether nobody speaks, and no question is without its answer.

        Args:
            now: Monotonic seconds.
        """
        if self._caller_is_speaking or self._bot_is_speaking or self._is_answering or self._calls:
            return False
        return self._answer_due_at is None or now >= self._answer_due_at

    def _caller_started(self, frame: Frame, now: float) -> None:
        self._caller_is_speaking = True
        self._answer_due_at = None

    def _caller_stopped(self, frame: Frame, now: float) -> None:
        self._caller_is_speaking = False
        self._answer_due_at = now + ANSWER_SECS

    def _bot_started(self, frame: Frame, now: float) -> None:
        self._bot_is_speaking = True
        self._answer_due_at = None

    def _bot_stopped(self, frame: Frame, now: float) -> None:
        self._bot_is_speaking = False

    def _answer_began(self, frame: Frame, now: float) -> None:
        self._is_answering = True
        self._answer_due_at = None

    def _answer_ended(self, frame: Frame, now: float) -> None:
        self._is_answering = False

    def _interrupted(self, frame: Frame, now: float) -> None:
        self._is_answering = False  # Its end may have been dropped.

    def _call_began(self, frame: Frame, now: float) -> None:
        assert isinstance(frame, FunctionCallInProgressFrame)  # noqa: S101 - see the dispatch
        self._calls.add(frame.tool_call_id)

    def _call_ended(self, frame: Frame, now: float) -> None:
        assert isinstance(frame, FunctionCallResultFrame | FunctionCallCancelFrame)  # noqa: S101
        if frame.tool_call_id in self._calls:
            self._calls.discard(frame.tool_call_id)
            self._answer_due_at = now + ANSWER_SECS  # The model says what has come of it.


_ACTIONS: dict[type[Frame], Callable[[TurnWatch, Frame, float], None]] = {
    UserStartedSpeakingFrame: TurnWatch._caller_started,
    UserStoppedSpeakingFrame: TurnWatch._caller_stopped,
    BotStartedSpeakingFrame: TurnWatch._bot_started,
    BotStoppedSpeakingFrame: TurnWatch._bot_stopped,
    LLMFullResponseStartFrame: TurnWatch._answer_began,
    LLMFullResponseEndFrame: TurnWatch._answer_ended,
    InterruptionFrame: TurnWatch._interrupted,
    FunctionCallInProgressFrame: TurnWatch._call_began,
    FunctionCallResultFrame: TurnWatch._call_ended,
    FunctionCallCancelFrame: TurnWatch._call_ended,
}
