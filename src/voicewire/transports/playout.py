"""How much of an utterance the caller has heard. Pure: time is an argument."""


class Playout:
    """Position in the utterance that is being played.

    It follows the schedule: what was sent, less what the client still has in its buffer.
    """

    def __init__(self) -> None:
        self._sent_secs = 0.0

    def begin(self) -> None:
        """A new utterance starts at 0."""
        self._sent_secs = 0.0

    def sent(self, duration_secs: float) -> None:
        self._sent_secs += duration_secs

    def played_secs(self, *, buffered_secs: float) -> float:
        """Return the seconds heard, given what the client still has to play."""
        return max(0.0, self._sent_secs - buffered_secs)
