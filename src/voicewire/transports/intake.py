"""How much of a client is read: as much as it can have recorded. Pure: time is an argument."""

MAX_REST_SECS = 5.0
"""How long nothing is read at a time, for the client's leaving is not noticed either. What a single
long message is further ahead is forgiven."""


class Intake:
    """Measures what a client sends against real time.

    A microphone brings a second of audio in a second. A network that has stood still brings what it
    has held up, and a recording may be sent at once: so a client may be `max_ahead_secs` ahead.
    Beyond that nothing is read of it until it is due. TCP then slows the client down, what it sends
    waits on its side, and the server spends no more on it than on any other caller.

    Args:
        max_ahead_secs: How far ahead of real time a client may be.
        now: Monotonic seconds.
    """

    def __init__(self, max_ahead_secs: float, *, now: float) -> None:
        self._max_ahead_secs = max_ahead_secs
        self._recorded_until = now
        """When a microphone would have recorded what has come."""

    def take(self, secs: float, *, now: float) -> float:
        """Take note of `secs` of audio; return for how long nothing more is to be read."""
        if self._recorded_until < now:
            self._recorded_until = now
        self._recorded_until += secs
        rest_secs = self._recorded_until - now - self._max_ahead_secs
        if rest_secs <= 0.0:
            return 0.0
        if rest_secs > MAX_REST_SECS:
            self._recorded_until -= rest_secs - MAX_REST_SECS
            return MAX_REST_SECS
        return rest_secs
