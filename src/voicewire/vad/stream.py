"""One caller's voice activity: audio in at any length, the beginnings and ends of speech out."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from voicewire.audio.pcm import BYTES_PER_SAMPLE, num_bytes
from voicewire.clock import Clock, TimerHandle
from voicewire.nobody import nobody
from voicewire.vad.machine import VADEvent, VADMachine, VADParams, VADState
from voicewire.vad.volume import smooth
from voicewire.vad.volume import volume as volume_of

logger = logging.getLogger(__name__)

MAX_SUBMITTED_WINDOWS = 8
"""Windows of one caller that a detector holds at a time: enough that it need not wait for the
event loop between two of them, few enough that memory for them can be set aside."""

MAX_WAITING_SECS = 30.0
"""Audio that waits for the detector; beyond it the oldest is dropped. Room for a long utterance
that arrives in one message, which is not a sign of overload."""

MIN_MUTED_SECS = 0.5
"""Audio that stays away for less than this is a stall of the network, not a muted microphone."""

_CLOCK_RESOLUTION_SECS = 0.001


class OnConfidence(Protocol):
    """What a detector calls once for each window, in order, on the event loop's thread."""

    def __call__(self, confidence: float, volume: float | None = None) -> None:
        """Take what the detector concludes.

        Args:
            confidence: The probability that the window is speech, 0..1.
            volume: How loud it is (`voicewire.vad.volume`), if the detector knows; None otherwise.
        """
        ...


class VADDetector(Protocol):
    """Says of each window of one caller's audio how probably it is speech."""

    window_samples: int
    """Samples of each window."""

    def submit(self, window: bytes) -> None:
        """Take the next window: mono s16le, exactly `window_samples` long."""
        ...

    def close(self) -> None:
        """Give back what is held for this caller; no confidence is reported afterwards."""
        ...


class VADStream:
    """Slices audio into windows, has them judged, and reports what the machine concludes.

    Everything happens on the event loop's thread. The detector's memory of the caller lasts as
    long as the stream: resetting it in the middle of speech would cut words in two.

    Attributes:
        num_dropped_windows: Windows that were dropped because the detector fell behind.
        on_progress: Called when the detector has been given windows that had to wait for it.
    """

    def __init__(
        self,
        params: VADParams,
        sample_rate: int,
        open_detector: Callable[[OnConfidence], VADDetector],
        on_event: Callable[[VADEvent], None],
        clock: Clock,
    ) -> None:
        """Open a detector; see `VADAnalyzer.open`, which calls this."""
        self.num_dropped_windows = 0
        self.on_progress: Callable[[], None] = nobody
        self._on_event = on_event
        self._clock = clock
        self._detector = open_detector(self._on_confidence)
        self._machine = VADMachine(params, self._detector.window_samples / sample_rate)
        self._window_bytes = self._detector.window_samples * BYTES_PER_SAMPLE
        self._max_waiting_bytes = max(
            self._window_bytes, num_bytes(MAX_WAITING_SECS, sample_rate, 1)
        )
        self._waiting = bytearray()
        self._submitted: deque[bytes] = deque()
        self._volume: float | None = None
        self._muted_secs = max(params.stop_secs, MIN_MUTED_SECS)
        self._late_secs = 0.0
        self._active_at = clock.now()
        self._timer: TimerHandle | None = None
        self._is_submitting = False
        self._is_closed = False

    @property
    def state(self) -> VADState:
        """Where the caller is, as far as windows have been judged."""
        return self._machine.state

    @property
    def waiting_bytes(self) -> int:
        """How much audio waits for the detector."""
        return len(self._waiting)

    @property
    def is_behind(self) -> bool:
        """Whether the detector has as much as it takes at a time, and more waits for it."""
        return len(self._waiting) >= self._window_bytes

    def feed(self, pcm: bytes) -> None:
        """Take audio: mono s16le of any length, at the rate with which the stream was opened."""
        if self._is_closed:
            return
        self._active_at = self._clock.now()
        if self._late_secs:
            self._late_secs = 0.0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = self._clock.call_later(self._muted_secs, self._end_if_muted)
        self._waiting += pcm
        if self.is_behind:
            self._drop_oldest()
            self._submit_waiting()

    def close(self) -> None:
        """Stop for good: nothing is reported any more, not even an end of speech under way."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()
        self._submitted.clear()
        self._detector.close()
        self.on_progress = self._on_event = nobody

    def _drop_oldest(self) -> None:
        excess_bytes = len(self._waiting) - self._max_waiting_bytes
        if excess_bytes <= 0:
            return
        num_windows = -(-excess_bytes // self._window_bytes)
        if self.num_dropped_windows == 0:
            logger.warning("voice activity detection falls behind; the oldest audio is dropped")
        self.num_dropped_windows += num_windows
        del self._waiting[: num_windows * self._window_bytes]

    def _submit_waiting(self) -> None:
        # A detector may answer within `submit`, which leads back here: the loop that is already
        # running goes on, rather than one inside it for each window.
        if self._is_submitting:
            return
        self._is_submitting = True
        offset, window_bytes = 0, self._window_bytes
        try:
            while len(self._submitted) < MAX_SUBMITTED_WINDOWS and offset + window_bytes <= len(
                self._waiting
            ):
                window = bytes(memoryview(self._waiting)[offset : offset + window_bytes])
                offset += window_bytes
                self._submit(window)
        finally:
            self._is_submitting = False
            del self._waiting[:offset]

    def _submit(self, window: bytes) -> None:
        self._submitted.append(window)
        try:
            self._detector.submit(window)
        except Exception:
            # The window will not be answered; later ones must still meet their own answers.
            if self._submitted:
                self._submitted.pop()
            raise

    def _on_confidence(self, confidence: float, volume: float | None = None) -> None:
        if self._is_closed:
            return
        if not self._submitted:
            raise RuntimeError("a detector reported more confidences than it was given windows")
        window = self._submitted.popleft()
        newest = volume_of(window) if volume is None else volume
        # Smoothing begins at the first window's volume; from nothing, it would take a caller who
        # speaks at once for a quiet one.
        self._volume = newest if self._volume is None else smooth(newest, self._volume)
        event = self._machine.update(confidence, self._volume)
        self._active_at = self._clock.now()
        if self._timer is None and self._machine.state is not VADState.QUIET:
            self._timer = self._clock.call_later(self._muted_secs, self._end_if_muted)
        if event is not None:
            self._on_event(event)
        if self.is_behind:
            self._submit_waiting()
            self.on_progress()

    def wait_for_audio(self, secs: float) -> None:
        """Take audio that stays away for less than this for delayed, and not for muted."""
        self._muted_secs = max(self._muted_secs, secs)

    def wait_for_late_audio(self, secs: float) -> None:
        """Do so from now on until there is audio again."""
        self._late_secs = secs

    def _end_if_muted(self) -> None:
        """End speech if no audio came for `_muted_secs`; else look again when that could be.

        One timer runs while a caller speaks, however many messages arrive meanwhile.
        """
        self._timer = None
        if self._machine.state is VADState.QUIET:
            return
        muted_secs = max(self._muted_secs, self._late_secs)
        remaining_secs = self._active_at + muted_secs - self._clock.now()
        if remaining_secs > _CLOCK_RESOLUTION_SECS:
            self._timer = self._clock.call_later(remaining_secs, self._end_if_muted)
            return
        event = self._machine.end_speech()
        if event is not None:
            self._on_event(event)
