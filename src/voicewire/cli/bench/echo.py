"""The scenario `echo`: a caller who never stops speaking and hears itself. Pure."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from voicewire.cli.bench.dialect import Audio, Dialect
from voicewire.cli.bench.outcome import Heard
from voicewire.cli.bench.plan import FRAME_BYTES, FRAME_SECS, SAMPLE_RATE, Window
from voicewire.cli.bench.playout import Stretch, deviations, glitch_times
from voicewire.cli.bench.stamps import STAMP_BYTES, StampTable

MAX_UNKNOWN_MESSAGES = 10
"""After so many without a stamp the server changes what it echoes, and bytes are counted."""

NOTHING = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class EchoScript:
    """What all callers of a run share.

    Attributes:
        messages: For the socket, one for each frame of the recording.
        stamps: The recording's.
        dialect: Reads what the server sends.
        client_buffer_secs: What the simulated player gathers before it plays.
    """

    messages: Sequence[bytes]
    stamps: StampTable
    dialect: Dialect
    client_buffer_secs: float


@dataclass(slots=True, eq=False)
class _Log:
    """All audio messages, one entry of each array for each."""

    arrivals: "array[float]" = field(default_factory=lambda: array("d"))
    secs: "array[float]" = field(default_factory=lambda: array("d"))
    due_at: "array[float]" = field(default_factory=lambda: array("d"))
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Before which message how many bytes of the caller's speech are missing."""


class EchoCaller:
    """Sends the recording over and over, and finds each frame in what comes back.

    Attributes:
        num_sent: Frames so far.
    """

    def __init__(self, script: EchoScript, *, first_frame: int) -> None:
        """Begin in the recording at `first_frame`."""
        self.num_sent = 0
        self._messages = script.messages
        self._stamps = script.stamps
        self._read = script.dialect.read
        self._client_buffer_secs = script.client_buffer_secs
        self._first_frame = first_frame
        self._first_due_at = 0.0
        self._log = _Log()
        self._other_arrivals: list[float] = []
        # Bytes of the caller's own stream, from its first frame on, that have come back.
        self._end = 0
        self._counted_secs = 0.0
        self._num_unknown = 0
        self._matched_by = ""

    def begin(self, first_due_at: float) -> None:
        self._first_due_at = first_due_at

    def next_message(self) -> bytes:
        message = self._messages[(self._first_frame + self.num_sent) % len(self._messages)]
        self.num_sent += 1
        return message

    def take(self, message: bytes | str, *, now: float) -> None:
        audio = self._read(message)
        if not isinstance(audio, Audio):
            self._other_arrivals.append(now)
            return
        before = self._end
        self._place(audio)
        num_whole = self._end // FRAME_BYTES
        log = self._log
        log.arrivals.append(now)
        log.secs.append(audio.secs)
        if num_whole > before // FRAME_BYTES:
            log.due_at.append(self._first_due_at + (num_whole - 1) * FRAME_SECS)
        else:
            log.due_at.append(NOTHING)

    def heard(self, window: Window) -> Heard:
        log = self._log
        arrivals, secs, due_at = map(np.asarray, (log.arrivals, log.secs, log.due_at))
        # By when it was said, not by when it came: what is late must not fall out of the window.
        with np.errstate(invalid="ignore"):
            is_said = (due_at >= window.start_at) & (due_at < window.end_at)
        cuts = [number for number, _ in log.gaps]
        stretches = [
            Stretch(*parts)
            for parts in zip(np.split(arrivals, cuts), np.split(secs, cuts), strict=True)
        ]
        buffer_secs = self._client_buffer_secs
        jitter = [deviations(s, buffer_secs=buffer_secs, window=window) for s in stretches]
        glitches = [t for s in stretches for t in glitch_times(s, buffer_secs=buffer_secs)]
        others = sum(at in window for at in self._other_arrivals)
        return Heard(
            matched_by=self._matched_by,
            messages=int(np.sum((arrivals >= window.start_at) & (arrivals < window.end_at)))
            + others,
            due_at=due_at[is_said],
            latency_secs=(arrivals - due_at)[is_said],
            jitter_secs=np.concatenate(jitter),
            glitches=sum(at in window for at in glitches),
            lost_frames=self._count_lost(window),
        )

    def _place(self, audio: Audio) -> None:
        """Advance `_end` to the end of this audio in the caller's own stream."""
        is_same_format = audio.sample_rate == SAMPLE_RATE and audio.num_channels == 1
        if self._matched_by != "counting" and is_same_format:
            if self._find_stamp(audio.pcm):
                self._matched_by = "stamps"
                return
            self._num_unknown += 1
            if self._matched_by or self._num_unknown < MAX_UNKNOWN_MESSAGES:
                self._counted_secs += audio.secs
                if self._has_no_stamp_due(len(audio.pcm)):
                    self._end += len(audio.pcm)
                return
        self._matched_by = "counting"
        self._counted_secs += audio.secs
        # Half a sample forgives what adding up floats has lost.
        self._end = int(self._counted_secs * SAMPLE_RATE + 0.5) * 2

    def _has_no_stamp_due(self, num_bytes: int) -> bool:
        """Whether audio of this length goes on in mid-frame and ends before the next stamp does."""
        return self._matched_by == "stamps" and -self._end % FRAME_BYTES + STAMP_BYTES > num_bytes

    def _find_stamp(self, pcm: bytes) -> bool:
        position = -self._end % FRAME_BYTES
        spare = len(pcm) - STAMP_BYTES - position
        if spare < 0:
            return False
        # The last one in it, for what was dropped before it is known then.
        position += spare // FRAME_BYTES * FRAME_BYTES
        number = self._stamps.at(pcm, position)
        if number is None:
            found = self._stamps.find(pcm)
            if found is None:
                return False
            position, number = found
        last = self.num_sent - 1
        frame = last - (self._first_frame + last - number) % len(self._messages)
        start = frame * FRAME_BYTES - position
        if start > self._end and self._matched_by:
            self._log.gaps.append((len(self._log.arrivals), start - self._end))
        self._end = start + len(pcm)
        return True

    def _count_lost(self, window: Window) -> int:
        """Return how many frames that were said in the window never came back."""
        log = self._log
        num_bytes = sum(
            missing
            for number, missing in log.gaps
            if number < len(log.due_at) and log.due_at[number] in window
        )
        frames = window.frames(self._first_due_at)
        first = max(self._end // FRAME_BYTES, frames.start)
        return num_bytes // FRAME_BYTES + len(range(first, min(self.num_sent, frames.stop)))
