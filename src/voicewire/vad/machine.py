"""From one window's answer to the next: when does a caller begin and stop speaking?"""

from enum import Enum, auto

from pydantic import ConfigDict, Field

from voicewire.params import Params


class VADParams(Params):
    """When a window counts as speech, and how many make a beginning and an end.

    The names and defaults are Pipecat's.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    confidence: float = Field(0.7, ge=0.0, le=1.0)
    """The detector's least probability of speech."""

    start_secs: float = Field(0.2, ge=0.0, le=10.0)
    """How long speech lasts before it is reported; shorter noises are not speech."""

    stop_secs: float = Field(0.8, ge=0.0, le=60.0)
    """How long silence lasts before the end is reported; shorter pauses belong to the speech."""

    min_volume: float = Field(0.6, ge=0.0, le=1.0)
    """The least loudness, 0..1 on the scale of `voicewire.vad.volume`; 0.6 is about -50 dBFS."""


class VADState(Enum):
    """Where a caller is between silence and speech."""

    QUIET = auto()
    STARTING = auto()
    SPEAKING = auto()
    STOPPING = auto()


class VADEvent(Enum):
    """What a listener is told."""

    STARTING = auto()
    STARTED = auto()
    STOPPED = auto()


class VADMachine:
    """Counts windows; holds no clock and no audio.

    ::

                      speech                 start_secs of it
        QUIET ──────────────────► STARTING ────────────────────► SPEAKING
          ▲ ◄──────────────────────  │                           │     ▲
          │         silence                              silence │     │ speech
          │                                                      ▼     │
          └────────────────────────────────────────────────────  STOPPING
                             stop_secs of it

    `STARTED` is emitted on entering SPEAKING from STARTING, `STOPPED` on leaving STOPPING for
    QUIET; so the two always alternate, `STARTED` first. `STARTING` is emitted on staying in
    STARTING: speech may have begun, and the next `start_secs` will tell.
    """

    def __init__(self, params: VADParams, window_secs: float) -> None:
        """Make a machine in QUIET.

        Args:
            params: The thresholds.
            window_secs: How long each window lasts that `update` is told of.
        """
        self.state = VADState.QUIET
        self._confidence = params.confidence
        self._min_volume = params.min_volume
        # Rounded as Pipecat rounds, so that the same numbers give the same behaviour there and
        # here: 0.2 s are 6 windows of 32 ms, not 7.
        self._start_windows = max(1, round(params.start_secs / window_secs))
        self._stop_windows = max(1, round(params.stop_secs / window_secs))
        self._num_windows = 0

    def update(self, confidence: float, volume: float) -> VADEvent | None:
        """Advance by one window; return what has happened, if anything has.

        Args:
            confidence: The probability that the window is speech, 0..1.
            volume: How loud it is, 0..1.
        """
        if confidence >= self._confidence and volume >= self._min_volume:
            return self._advance_by_speech()
        return self._advance_by_silence()

    def end_speech(self) -> VADEvent | None:
        """Go to QUIET at once, because no more audio comes; return STOPPED if there was speech."""
        was_speaking = self.state in (VADState.SPEAKING, VADState.STOPPING)
        self.state = VADState.QUIET
        return VADEvent.STOPPED if was_speaking else None

    def _advance_by_speech(self) -> VADEvent | None:
        if self.state is VADState.STOPPING:
            self.state = VADState.SPEAKING
        elif self.state is VADState.QUIET:
            self.state = VADState.STARTING
            self._num_windows = 0
        if self.state is VADState.STARTING:
            self._num_windows += 1
            if self._num_windows >= self._start_windows:
                self.state = VADState.SPEAKING
                return VADEvent.STARTED
            if self._num_windows == 1:
                return VADEvent.STARTING
        return None

    def _advance_by_silence(self) -> VADEvent | None:
        if self.state is VADState.STARTING:
            self.state = VADState.QUIET
        elif self.state is VADState.SPEAKING:
            self.state = VADState.STOPPING
            self._num_windows = 0
        if self.state is VADState.STOPPING:
            self._num_windows += 1
            if self._num_windows >= self._stop_windows:
                self.state = VADState.QUIET
                return VADEvent.STOPPED
        return None
