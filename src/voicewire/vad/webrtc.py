"""The detector of WebRTC: a twentieth of Silero's cost, and many false alarms in noise."""

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.nobody import nobody
from voicewire.vad.analyzer import VADAnalyzer
from voicewire.vad.machine import VADParams
from voicewire.vad.stream import OnConfidence


class Vad(Protocol):
    """What is used of `webrtcvad.Vad`, which has no type information."""

    def is_speech(self, buf: bytes, sample_rate: int) -> bool: ...


class WebRTCVADAnalyzer(VADAnalyzer):
    """WebRTC's Gaussian mixture detector (package `webrtcvad-wheels`, extra `webrtc`).

    Its confidence is 0 or 1, so `VADParams.confidence` makes no difference.
    """

    sample_rates: ClassVar[tuple[int, ...]] = (8000, 16000, 32000, 48000)

    def __init__(
        self,
        *,
        sample_rate: int | None = None,
        params: VADParams | None = None,
        aggressiveness: int = 2,
        window_ms: Literal[20, 30] = 20,
    ) -> None:
        """Keep the settings.

        Args:
            sample_rate: Hz, to insist on one rate; None takes the rate of the audio.
            params: Thresholds; None for the defaults.
            aggressiveness: 0..3; more calls less of the noise speech, and misses more speech.
            window_ms: How much audio is judged at a time, in milliseconds.

        Raises:
            ConfigurationError: A setting is outside its range.
            MissingExtraError: The package is not installed.
        """
        super().__init__(sample_rate=sample_rate, params=params)
        if aggressiveness not in range(4):
            raise ConfigurationError(f"aggressiveness is 0, 1, 2 or 3, not {aggressiveness}")
        if window_ms not in (20, 30):
            raise ConfigurationError(f"window_ms is 20 or 30, not {window_ms}")
        try:
            import webrtcvad
        except ImportError as exc:
            raise MissingExtraError("webrtcvad", "webrtc", needed_for=type(self).__name__) from exc
        self._make_vad: Callable[[int], Vad] = webrtcvad.Vad
        self.aggressiveness = aggressiveness
        self.window_ms = window_ms

    def open_detector(self, sample_rate: int, on_confidence: OnConfidence) -> "WebRTCDetector":
        window_samples = sample_rate * self.window_ms // 1000
        return WebRTCDetector(
            self._make_vad(self.aggressiveness), sample_rate, window_samples, on_confidence
        )


class WebRTCDetector:
    """One caller's detector; it answers at once, in 5 µs."""

    def __init__(
        self,
        vad: Vad,
        sample_rate: int,
        window_samples: int,
        on_confidence: OnConfidence,
    ) -> None:
        self.window_samples = window_samples
        self._vad = vad
        self._sample_rate = sample_rate
        self._on_confidence = on_confidence

    def submit(self, window: bytes) -> None:
        self._on_confidence(1.0 if self._vad.is_speech(window, self._sample_rate) else 0.0)

    def close(self) -> None:
        """Let go of whom it would tell; what the detector remembers goes with this object."""
        self._on_confidence = nobody
