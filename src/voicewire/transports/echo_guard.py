"""Keeps the bot's own voice, as it comes back from the room, from interrupting it."""

import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.echo import MAX_DELAY_SECS, SAMPLE_RATE, WINDOW_SECS, Likeness, compare
from voicewire.audio.echo import num_samples_played as samples_to_compare
from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs, mix_channels, to_float
from voicewire.audio.resample import StreamNormalizer
from voicewire.clock import Clock
from voicewire.vad import VADEvent

SURE_CORRELATION = 0.8
"""Above it, a sound is the bot's, and its delay and level are remembered."""

FIRST_CORRELATION = 0.55
"""Above it, a sound is taken for the bot's as long as nothing is known of its echo."""

MIN_CORRELATION = 0.4
LOUDER_DB = 9.0
"""Once that is known: at its delay a sound resembles the bot's so much at least, and is no louder
by so much than any echo has been, or else it is the caller's."""

CHECK_SECS = 0.1
"""How often it is looked at again while it lasts; twice it has to be the caller's."""

_PLAYED_SECS = WINDOW_SECS + MAX_DELAY_SECS + 2.0
"""What is kept of the bot's voice: the lead of the client's buffer is ahead of time."""


class EchoGuard:
    """Stands between voice activity detection and those who act on it.

    A beginning of speech that is the bot's own voice is kept back, and so is its end. While it
    lasts, it is looked at again: a caller who speaks into the echo is let through.

    Args:
        on_event: Gets what is no echo.
        clock: The time.

    Attributes:
        num_echoes: Beginnings that were kept back.
    """

    def __init__(self, on_event: Callable[[VADEvent], None], clock: Clock) -> None:
        self.num_echoes = 0
        self._on_event = on_event
        self._now = clock.now
        self._played: deque[tuple[float, float, bytes, int, int]] = deque()
        self._heard = np.zeros(round(WINDOW_SECS * SAMPLE_RATE), np.float32)
        self._heard_until = 0.0
        self._delay_secs: float | None = None
        self._loudest_db = -math.inf
        self._is_echo = False
        self._check_at = 0.0
        self._num_doubts = 0

    def played(self, pcm: bytes, sample_rate: int, num_channels: int, *, begins_at: float) -> None:
        """Take note of the bot's voice, and of when the client plays it by the schedule."""
        ends_at = begins_at + duration_secs(len(pcm), sample_rate, num_channels)
        self._played.append((begins_at, ends_at, pcm, sample_rate, num_channels))
        while self._played and self._played[0][1] < self._now() - _PLAYED_SECS:
            self._played.popleft()

    def flushed(self) -> None:
        """The client has dropped what it had not played."""
        now = self._now()
        while self._played and self._played[-1][0] >= now:
            self._played.pop()

    def heard(self, pcm: bytes, sample_rate: int) -> None:
        """Take note of the caller's microphone: mono s16le."""
        samples = _at_16k(pcm, sample_rate, 1)[-len(self._heard) :]
        self._heard = np.concatenate((self._heard[len(samples) :], samples))
        self._heard_until = self._now()
        if self._is_echo and self._heard_until >= self._check_at:
            self._check_again()

    def on_vad_event(self, event: VADEvent) -> None:
        """Hand on what voice activity detection says, unless it is about an echo."""
        if event is VADEvent.STARTED:
            self._is_echo = self._is_echo_now()
            if self._is_echo:
                self.num_echoes += 1
                self._num_doubts = 0
                self._check_at = self._now() + CHECK_SECS
                return
        elif self._is_echo and event is VADEvent.STOPPED:
            self._is_echo = False
            return
        self._on_event(event)

    def _is_echo_now(self) -> bool:
        played = self._played_samples()
        if played is None:
            return False
        likeness = compare(self._heard, played)
        if self._is_surely_echo(likeness):
            return True
        if self._delay_secs is None:
            return False
        likeness = compare(self._heard, played, delay_secs=self._delay_secs)
        return likeness.correlation >= MIN_CORRELATION and not self._is_loud(likeness)

    def _is_surely_echo(self, likeness: Likeness) -> bool:
        """Remember what an echo is like that is beyond doubt, or the first one at all."""
        is_sure = likeness.correlation >= SURE_CORRELATION
        if is_sure:
            self._delay_secs = likeness.delay_secs
        elif self._delay_secs is not None or likeness.correlation < FIRST_CORRELATION:
            return False
        self._loudest_db = max(likeness.gain_db, self._loudest_db)
        return True

    def _is_loud(self, likeness: Likeness) -> bool:
        """Whether a sound is louder than any echo has been."""
        return likeness.gain_db > self._loudest_db + LOUDER_DB

    def _check_again(self) -> None:
        self._check_at = self._heard_until + CHECK_SECS
        played = self._played_samples()
        is_echo = False
        if played is not None:
            likeness = compare(self._heard, played, delay_secs=self._delay_secs)
            # By its level alone: what an echo ends with resembles nothing.
            is_echo = self._is_surely_echo(likeness) or not self._is_loud(likeness)
        self._num_doubts = 0 if is_echo else self._num_doubts + 1
        if self._num_doubts >= 2:
            self._is_echo = False
            self._on_event(VADEvent.STARTED)

    def _played_samples(self) -> NDArray[np.float32] | None:
        """Return what the client has played up to what was heard last; None if it was silent."""
        num_samples = samples_to_compare()
        samples = np.zeros(num_samples, np.float32)
        begins_at = self._heard_until - num_samples / SAMPLE_RATE
        is_silent = True
        for chunk_at, ends_at, pcm, sample_rate, num_channels in self._played:
            if ends_at <= begins_at or chunk_at >= self._heard_until:
                continue
            is_silent = False
            chunk = _at_16k(pcm, sample_rate, num_channels)
            start = round((chunk_at - begins_at) * SAMPLE_RATE)
            chunk = chunk[max(0, -start) :]
            start = max(0, start)
            chunk = chunk[: num_samples - start]
            samples[start : start + len(chunk)] = chunk
        return None if is_silent else samples


def _at_16k(pcm: bytes, sample_rate: int, num_channels: int) -> NDArray[np.float32]:
    mono = mix_channels(pcm, num_channels, 1)
    if sample_rate == SAMPLE_RATE:
        return to_float(mono)
    whole = len(mono) - len(mono) % BYTES_PER_SAMPLE
    resampler = StreamNormalizer(SAMPLE_RATE, 1)
    return to_float(resampler.process(mono[:whole], sample_rate, 1) + resampler.flush())
