"""What a program configures: a detector of speech, opened once for each caller."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from voicewire.clock import Clock
from voicewire.errors import ConfigurationError
from voicewire.vad.machine import VADEvent, VADParams
from voicewire.vad.stream import OnConfidence, VADDetector, VADStream


class VADAnalyzer(ABC):
    """Settings of voice activity detection; holds nothing of any caller.

    A detector of your own is a subclass with one method::

        class LoudnessVAD(VADAnalyzer):
            def open_detector(self, sample_rate, on_confidence):
                return LoudnessDetector(sample_rate // 50, on_confidence)


        class LoudnessDetector:
            def __init__(self, window_samples, on_confidence):
                self.window_samples = window_samples
                self._on_confidence = on_confidence

            def submit(self, window):
                self._on_confidence(1.0 if volume(window) > 0.7 else 0.0)

            def close(self):
                pass
    """

    sample_rates: ClassVar[tuple[int, ...]] = ()
    """The rates that the detector can work at, in Hz; empty if it can at any."""

    def __init__(self, *, sample_rate: int | None = None, params: VADParams | None = None) -> None:
        """Keep the settings.

        Args:
            sample_rate: Hz, to insist on one rate; None takes the rate of the audio.
            params: Thresholds; None for the defaults.

        Raises:
            ConfigurationError: The detector cannot work at `sample_rate`.
        """
        self.params = VADParams() if params is None else params
        self.sample_rate: int | None = None
        if sample_rate is not None:
            self.check_sample_rate(sample_rate)
            self.sample_rate = sample_rate

    def check_sample_rate(self, sample_rate: int) -> None:
        """Raise ConfigurationError, saying what would work, unless the rate in Hz is possible."""
        possible = self.sample_rates if self.sample_rate is None else (self.sample_rate,)
        if sample_rate <= 0 or (possible and sample_rate not in possible):
            rates = " or ".join(map(str, possible)) or "more than 0"
            raise ConfigurationError(
                f"{type(self).__name__} works at {rates} Hz, not at {sample_rate}"
            )

    def open(
        self, sample_rate: int, on_event: Callable[[VADEvent], None], clock: Clock
    ) -> VADStream:
        """Begin detection for one caller; call on the event loop's thread.

        Args:
            sample_rate: Hz, of the audio that will be fed.
            on_event: Called on the event loop's thread, in order.
            clock: Tells when a microphone has gone mute.

        Raises:
            ConfigurationError: The rate is not possible.
        """
        self.check_sample_rate(sample_rate)
        open_detector = partial(self.open_detector, sample_rate)
        return VADStream(self.params, sample_rate, open_detector, on_event, clock)

    def preload(self, sample_rate: int) -> None:
        """Load what all callers share, so that the first of them need not wait; may be repeated.

        Blocks for milliseconds, and may be called on any thread. `open` works without it.

        Args:
            sample_rate: Hz, of the audio that callers will send.

        Raises:
            ConfigurationError: The rate is not possible.
            ModelFileError: A model's file is missing.
        """
        self.check_sample_rate(sample_rate)

    @abstractmethod
    def open_detector(self, sample_rate: int, on_confidence: OnConfidence) -> VADDetector:
        """Return one caller's detector.

        Args:
            sample_rate: Hz; one that `check_sample_rate` accepts.
            on_confidence: To be called once for each window with its probability of speech, 0..1,
                in the windows' order, on the event loop's thread: within `submit` or later. A
                detector that knows the window's volume may give that too, to save measuring it.
        """
