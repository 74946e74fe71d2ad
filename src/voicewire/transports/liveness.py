"""Is the peer still there? Pure: told the time, says what to do and when to ask again."""

from enum import Enum, auto


class Step(Enum):
    """What a connection should do about its peer's silence."""

    NOTHING = auto()
    PING = auto()
    GIVE_UP = auto()


class Liveness:
    """Pings a peer that is silent, and gives up on one that stays so.

    Any received byte is a sign of life, so a busy session is never pinged and never dies because a
    pong waits behind audio.
    """

    def __init__(self, ping_interval_secs: float | None, ping_timeout_secs: float | None) -> None:
        self._ping_interval_secs = ping_interval_secs
        self._ping_timeout_secs = ping_timeout_secs
        self._pinged_at: float | None = None

    def next_step(self, now: float, last_heard_at: float) -> tuple[Step, float | None]:
        """Return what to do now, and when to call again (None: never).

        Args:
            now: Monotonic seconds.
            last_heard_at: When the peer last sent a byte, on the same clock.
        """
        if self._ping_interval_secs is None:
            return Step.NOTHING, None
        if self._pinged_at is not None and last_heard_at >= self._pinged_at:
            self._pinged_at = None
        if self._pinged_at is not None and self._ping_timeout_secs is not None:
            give_up_at = self._pinged_at + self._ping_timeout_secs
            return (Step.GIVE_UP, None) if now >= give_up_at else (Step.NOTHING, give_up_at)
        ping_at = max(last_heard_at, self._pinged_at or last_heard_at) + self._ping_interval_secs
        if now < ping_at:
            return Step.NOTHING, ping_at
        self._pinged_at = now
        wait_secs = self._ping_timeout_secs or self._ping_interval_secs
        return Step.PING, now + wait_secs
