"""When has a conversation fallen silent? A pure object that is told what happens and when."""

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

_TURNING_POINTS = (
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
)

_USER = "user"
_BOT = "bot"


class IdleWatch:
    """Measures the time in which none of `activity_frames` moved and nobody spoke.

    Callers who come and go count as activity too, and nobody speaks at that moment.

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
        self._speakers: set[str] = set()
        self._is_relevant: dict[type[Frame], bool] = {}

    def cares_about(self, kind: type[Frame]) -> bool:
        """Whether `see` does anything with frames of this type: cheap, for every frame is asked."""
        is_relevant = self._is_relevant.get(kind)
        if is_relevant is None:
            is_relevant = self._is_relevant[kind] = issubclass(
                kind, (*_TURNING_POINTS, *self._activity_frames)
            )
        return is_relevant

    def see(self, frame: Frame, *, now: float) -> None:
        """Take note of a frame that `cares_about` names."""
        if isinstance(frame, UserStartedSpeakingFrame):
            self._speakers.add(_USER)
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._speakers.discard(_USER)
        elif isinstance(frame, BotStartedSpeakingFrame):
            self._speakers.add(_BOT)
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._speakers.discard(_BOT)
        elif isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._speakers.clear()
        self._last_activity_at = now

    def remaining_secs(self, *, now: float) -> float:
        """Return the seconds until the timeout, 0 or less when it has come."""
        if self._speakers:
            return self._timeout_secs
        return self._last_activity_at + self._timeout_secs - now

    def restart(self, *, now: float) -> None:
        """Begin to measure anew."""
        self._last_activity_at = now
