"""Caller and bot on one time line. Pure: time is an argument."""

from typing import NamedTuple

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs
from voicewire.audio.resample import StreamNormalizer

CALLER_JOIN_SECS = 0.5
"""What a caller's audio comes late by, up to this, is the network: it follows what came before
without a gap. Beyond it, the microphone was off. Recordings are told of so much later."""

BOT_JOIN_SECS = 0.1
"""What the bot's audio comes late by, up to this, is a source that is just in time."""

MAX_AHEAD_SECS = 60.0
"""What comes further ahead of its time is dropped: no transport brings more than half of it."""


class Stretch(NamedTuple):
    """What was heard in some time: mono s16le of both sides, equally long."""

    caller: bytes
    bot: bytes


class Track:
    """One side: mono samples, each with its place since the recording began.

    Args:
        join_samples: How late audio may come to follow what came before it.
        max_ahead_samples: How far ahead of its time.
    """

    def __init__(self, *, join_samples: int, max_ahead_samples: int) -> None:
        self.end = 0
        """Where the last audio ends; it may have been taken already."""
        self._has_begun = False
        self._join_samples = join_samples
        self._max_ahead_samples = max_ahead_samples
        self._taken = 0
        self._pcm = bytearray()

    def place(self, pcm: bytes, *, at: int, now: int) -> bool:
        """Add audio that is heard from `at` on, or when what came before it has been.

        Return False where that is too far ahead of `now`.
        """
        if not self._has_begun or at - self.end > self._join_samples:
            start = max(at, self._taken)
        else:
            start = max(self.end, self._taken)
        if start - now > self._max_ahead_samples:
            return False
        self._has_begun = True
        gap = start - self._taken - len(self._pcm) // BYTES_PER_SAMPLE
        self._pcm += bytes(gap * BYTES_PER_SAMPLE)
        self._pcm += pcm
        self.end = start + len(pcm) // BYTES_PER_SAMPLE
        return True

    def cut(self, at: int) -> None:
        """Take back what would be heard from `at` on."""
        del self._pcm[max(0, at - self._taken) * BYTES_PER_SAMPLE :]
        self.end = min(self.end, max(at, self._taken))

    def take(self, num_samples: int) -> bytes:
        """Return the next samples, with silence where there are none."""
        num_bytes = num_samples * BYTES_PER_SAMPLE
        pcm = bytes(self._pcm[:num_bytes]).ljust(num_bytes, b"\0")
        del self._pcm[:num_bytes]
        self._taken += num_samples
        return pcm


class Recording:
    """What is heard of a conversation from `now` on, in stretches of `buffer_secs`.

    A caller's audio is of the time before it came, the bot's of the time when the caller will have
    heard what was sent before it. So the two are as far apart as they were for the caller, but for
    the time that the network takes.

    Args:
        sample_rate: Hertz of what comes out.
        buffer_secs: Length of a stretch.
        now: Monotonic seconds.

    Attributes:
        num_refused: Pieces of audio that came too early, or in a format that there is not.
    """

    def __init__(self, sample_rate: int, *, buffer_secs: float, now: float) -> None:
        self.num_refused = 0
        self._sample_rate = sample_rate
        self._began_at = now
        self._num_taken = 0
        self._buffer_samples = max(1, round(buffer_secs * sample_rate))
        self._caller = self._make_track(CALLER_JOIN_SECS)
        self._bot = self._make_track(BOT_JOIN_SECS)
        self._caller_normalizer = StreamNormalizer(sample_rate)
        self._bot_normalizer = StreamNormalizer(sample_rate)

    def hear_caller(self, pcm: bytes, sample_rate: int, num_channels: int, *, now: float) -> None:
        """Take s16le that has just come from the caller."""
        if self._is_refused(pcm, sample_rate, num_channels):
            return
        spoken_at = now - duration_secs(len(pcm), sample_rate, num_channels)
        pcm = self._caller_normalizer.process(pcm, sample_rate, num_channels)
        at = self._sample_at(spoken_at)
        self.num_refused += not self._caller.place(pcm, at=at, now=self._sample_at(now))

    def hear_bot(self, pcm: bytes, sample_rate: int, num_channels: int, *, now: float) -> None:
        """Take s16le that has just been sent to the caller."""
        if not self._is_refused(pcm, sample_rate, num_channels):
            pcm = self._bot_normalizer.process(pcm, sample_rate, num_channels)
            self._place_bot(pcm, now)

    def bot_stopped(self, *, now: float) -> None:
        """Take note that nothing follows what was sent."""
        tail = self._bot_normalizer.flush()
        if tail:
            self._place_bot(tail, now)

    def cut_bot(self, *, now: float) -> None:
        """Take note that the caller has not heard what was sent for later."""
        self._bot_normalizer = StreamNormalizer(self._sample_rate)
        self._bot.cut(self._sample_at(now))

    def due_secs(self, *, now: float) -> float:
        """Return the seconds until the next stretch is complete."""
        complete_at = (self._num_taken + self._buffer_samples) / self._sample_rate
        return self._began_at + complete_at + CALLER_JOIN_SECS - now

    def take(self, *, now: float) -> Stretch | None:
        """Return the next stretch, if it is complete."""
        return self._take(self._buffer_samples) if self.due_secs(now=now) <= 0 else None

    def take_rest(self, *, now: float) -> list[Stretch]:
        """Return all that is left until `now`, in stretches of `buffer_secs` at most."""
        self.cut_bot(now=now)
        end = max(self._sample_at(now), self._caller.end)
        stretches = []
        while self._num_taken < end:
            stretches.append(self._take(min(self._buffer_samples, end - self._num_taken)))
        return stretches

    def _make_track(self, join_secs: float) -> Track:
        return Track(
            join_samples=round(join_secs * self._sample_rate),
            max_ahead_samples=round(MAX_AHEAD_SECS * self._sample_rate),
        )

    def _is_refused(self, pcm: bytes, sample_rate: int, num_channels: int) -> bool:
        is_refused = format_fault(sample_rate, num_channels) is not None or bool(
            len(pcm) % (num_channels * BYTES_PER_SAMPLE)
        )
        self.num_refused += is_refused
        return is_refused

    def _place_bot(self, pcm: bytes, now: float) -> None:
        at = self._sample_at(now)
        self.num_refused += not self._bot.place(pcm, at=at, now=at)

    def _take(self, num_samples: int) -> Stretch:
        self._num_taken += num_samples
        return Stretch(self._caller.take(num_samples), self._bot.take(num_samples))

    def _sample_at(self, time: float) -> int:
        return max(0, round((time - self._began_at) * self._sample_rate))
