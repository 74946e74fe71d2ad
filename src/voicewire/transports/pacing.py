"""When to send the next piece of audio. Pure: time is an argument."""

MIN_MARGIN_SECS = 0.02
"""However short the lead, a chunk goes out this long before the one in front of it has been played:
timers are late, and so is the network."""

MAX_CATCH_UP_SECS = 1.0
"""How much late audio of a live source goes out at once. A client that has stood still for longer
would hear so much more after an interruption, if it cannot flush."""


class Pacer:
    """Keeps the client's buffer filled `lead_secs` ahead of real time, and no further.

    The schedule is absolute: it knows until when the client has audio to play. After a late wake-up
    the next chunks are due at once, up to the lead, so lateness never adds up for audio that waits
    here, as that of text-to-speech does.

    A live source, an echo or a bridge, has nothing waiting: it is never further ahead of real time
    than the lead, counted from the beginning of the utterance. Such audio is due at once. So what a
    standstill has held up goes out together when it comes, and what follows is in time again.

    Args:
        lead_secs: How far ahead. A deeper buffer rides out a worse network, but what is in it will
            still be heard after an interruption by a client that cannot flush.

    Attributes:
        lead_secs: As above; it may be changed.
    """

    def __init__(self, lead_secs: float) -> None:
        self.lead_secs = lead_secs
        self._plays_until: float | None = None
        self._in_time_until = 0.0
        """When the audio sent in this utterance would end, had the source never been late."""

    def begin(self, *, now: float) -> None:
        """Take note that an utterance begins: the silence before it was no lack of audio."""
        if self._plays_until is not None and self._plays_until < now:
            self._plays_until = None
        self._in_time_until = now if self._plays_until is None else self._plays_until

    def send_delay(self, *, now: float, duration_secs: float, waiting_secs: float) -> float:
        """Return the seconds until a chunk of `duration_secs` may be sent; 0.0 is now.

        `waiting_secs` is all the audio that waits, the chunk included.
        """
        if self._plays_until is None:
            return 0.0
        ahead_secs = duration_secs + MIN_MARGIN_SECS
        if ahead_secs < self.lead_secs:
            ahead_secs = self.lead_secs
        if self._in_time_until + waiting_secs - now <= ahead_secs:
            return 0.0
        return max(0.0, self._plays_until + duration_secs - ahead_secs - now)

    def sent(self, *, now: float, duration_secs: float) -> None:
        """Take note that a chunk of `duration_secs` went out."""
        if self._plays_until is None or self._plays_until < now:
            self._plays_until = now
        self._plays_until += duration_secs
        self._in_time_until = max(self._in_time_until, now - MAX_CATCH_UP_SECS) + duration_secs

    def plays_until(self, *, now: float) -> float:
        """Return when the client has played, perhaps long ago, all that was sent."""
        return now if self._plays_until is None else self._plays_until

    def buffered_secs(self, *, now: float) -> float:
        """Return how much the client still has to play."""
        return 0.0 if self._plays_until is None else max(0.0, self._plays_until - now)

    def dry_secs(self, *, now: float) -> float:
        """Return for how long the client has had nothing to play."""
        return 0.0 if self._plays_until is None else max(0.0, now - self._plays_until)

    def flush(self, *, now: float) -> None:
        """Take note that the client has dropped what it had not played."""
        self._plays_until = now
