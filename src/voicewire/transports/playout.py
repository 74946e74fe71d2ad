"""How much of an utterance the caller has heard. Pure: time is an argument."""

from typing import NamedTuple


class PlayoutReport(NamedTuple):
    """What a client says of its player.

    Attributes:
        stream_id: The stream it plays: streams end by a flush, and are counted from 0.
        played_secs: How much of the stream has been heard.
        buffered_secs: How much of it waits in the player.
    """

    stream_id: int
    played_secs: float
    buffered_secs: float


class Playout:
    """Position in the utterance that is being played.

    It follows what the client reports and goes on from there; with a client that reports nothing,
    the schedule: what was sent, less what the client still has in its buffer.

    Attributes:
        stream_id: The stream that is being sent.
    """

    def __init__(self) -> None:
        self.stream_id = 0
        self._sent_secs = 0.0
        self._begun_at_secs = 0.0
        self._report: PlayoutReport | None = None
        self._reported_at = 0.0

    @property
    def sent_secs(self) -> float:
        """How much of the stream has been sent."""
        return self._sent_secs

    def begin(self) -> None:
        """A new utterance starts at 0."""
        self._begun_at_secs = self._sent_secs

    def sent(self, duration_secs: float) -> None:
        self._sent_secs += duration_secs

    def reported(self, report: PlayoutReport, *, now: float) -> None:
        """Take note of what the client says; of a stream that is over it says it too late."""
        if report.stream_id == self.stream_id:
            self._report = report
            self._reported_at = now

    def flush(self) -> int:
        """Begin a new stream, the one before being dropped; return its number."""
        self.stream_id += 1
        self._sent_secs = self._begun_at_secs = 0.0
        self._report = None
        return self.stream_id

    def played_secs(self, *, now: float, buffered_secs: float) -> float:
        """Return the seconds heard of the utterance.

        Args:
            now: The time.
            buffered_secs: What the client still has to play, by the schedule.
        """
        position_secs = self.position_secs(now=now, buffered_secs=buffered_secs)
        return max(0.0, position_secs - self._begun_at_secs)

    def position_secs(self, *, now: float, buffered_secs: float) -> float:
        """Return the seconds heard of the stream; arguments as for `played_secs`."""
        report = self._report
        if report is None:
            return self._sent_secs - buffered_secs
        since_secs = min(now - self._reported_at, report.buffered_secs)
        return min(report.played_secs + since_secs, self._sent_secs)

    def unplayed_secs(self, *, now: float) -> float:
        """Return what the client has in its buffer by its last report; 0 if it reports nothing."""
        if self._report is None:
            return 0.0
        return max(0.0, self._report.buffered_secs - (now - self._reported_at))
