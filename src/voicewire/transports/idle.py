"""When has a client been silent for too long? Pure: time is an argument."""


class ActivityTimer:
    """Falls due once for each time without activity; activity arms it again.

    Args:
        timeout_secs: How long a client may be without activity.
        now: Monotonic seconds.
    """

    def __init__(self, timeout_secs: float, *, now: float) -> None:
        self._timeout_secs = timeout_secs
        self._last_activity_at = now
        self._has_fired = False

    @property
    def has_fired(self) -> bool:
        """Whether it fell due and no activity has come since."""
        return self._has_fired

    def touch(self, *, now: float) -> bool:
        """Take note of activity; return whether this armed the timer again."""
        self._last_activity_at = now
        was_off, self._has_fired = self._has_fired, False
        return was_off

    def check(self, *, now: float) -> float:
        """Return the seconds until the timeout; 0.0 says that it has come, and turns it off."""
        remaining_secs = self._last_activity_at + self._timeout_secs - now
        if remaining_secs > 0:
            return remaining_secs
        self._has_fired = True
        return 0.0
