"""What a player does with the audio that comes: when each piece is heard. Pure."""

from collections import deque
from dataclasses import dataclass

from voicewire.cli.call.sound import Sound


@dataclass(slots=True)
class Piece:
    """Audio and the time at which it is heard."""

    start_at: float
    sound: Sound

    @property
    def end_at(self) -> float:
        return self.start_at + self.sound.duration_secs


class Playback:
    """A player without a jitter buffer: it plays what it has at once, and waits where it has none.

    Attributes:
        ends_at: When all that has come will have been played; before anything came, minus infinity.
    """

    def __init__(self) -> None:
        self.ends_at = float("-inf")
        self._waiting: deque[Piece] = deque()

    def take(self, sound: Sound, *, now: float) -> None:
        """Take the next piece."""
        piece = Piece(max(now, self.ends_at), sound)
        self._waiting.append(piece)
        self.ends_at = piece.end_at

    def played(self, *, now: float) -> list[Piece]:
        """Return the pieces that have been played out since the last call."""
        done: list[Piece] = []
        while self._waiting and self._waiting[0].end_at <= now:
            done.append(self._waiting.popleft())
        return done

    def flush(self, *, now: float) -> None:
        """Drop what has not been heard yet, as the server asks for at an interruption."""
        while self._waiting and self._waiting[-1].start_at >= now:
            self._waiting.pop()
        if self._waiting and self._waiting[-1].end_at > now:
            last = self._waiting[-1]
            heard = last.sound.cut(0.0, now - last.start_at)
            last.sound = Sound(heard, last.sound.sample_rate, last.sound.num_channels)
        self.ends_at = min(self.ends_at, now)

    def silent_secs(self, *, now: float) -> float:
        """Return for how long nothing has been heard; infinite where nothing ever was."""
        return max(0.0, now - self.ends_at)
