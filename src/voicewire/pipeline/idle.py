"""When has a conversation fallen silent? A pure object that is told what happens and when."""

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)


class IdleWatch:
    """Measures the time in which none of `activity_frames` moved and nobody spoke.

    Args:
        timeout_secs: How long that may last.
        activity_frames: Frame types that show life.
        now: Monotonic seconds.
    """

    def __init__(
        self, timeout_secs: float, activity_frames: tuple[type[Frame], ...], *, now: float
    ) -> None:
        self._timeout_secs = timeout_secs
        self._activity_frames = activity_frames
        self._last_activity_at = now
        self._is_user_speaking = False
        self._is_bot_speaking = False

    def see(self, frame: Frame, *, now: float) -> None:
        """Take note of a frame."""
        if isinstance(frame, UserStartedSpeakingFrame):
            self._is_user_speaking = True
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._is_user_speaking = False
        elif isinstance(frame, BotStartedSpeakingFrame):
            self._is_bot_speaking = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._is_bot_speaking = False
        elif not isinstance(frame, self._activity_frames):
            return
        self._last_activity_at = now

    def remaining_secs(self, *, now: float) -> float:
        """Return the seconds until the timeout, 0 or less when it has come."""
        if self._is_user_speaking or self._is_bot_speaking:
            return self._timeout_secs
        return self._last_activity_at + self._timeout_secs - now

    def restart(self, *, now: float) -> None:
        """Begin to measure anew."""
        self._last_activity_at = now
