"""A wire in memory, a listener to what the way out reports, and a detector of tones."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import duration_secs
from voicewire.clock import Clock
from voicewire.errors import SessionClosed
from voicewire.frames import (
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    SpokenSentence,
    TTSTextFrame,
)
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.testing import VirtualClock
from voicewire.transports.outbound import Outbound
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.stats import TransportStats
from voicewire.vad import VADAnalyzer, VADParams

RATE = 16000


class Sent(NamedTuple):
    """One message, and when it went out."""

    at: float
    kind: str
    pcm: bytes
    sample_rate: int
    num_channels: int
    text: str

    @property
    def secs(self) -> float:
        """How long its audio plays; 0 for what is no audio."""
        if not self.pcm:
            return 0.0
        return duration_secs(len(self.pcm), self.sample_rate, self.num_channels)


class MemoryWire:
    """Keeps what is sent, and when."""

    def __init__(self, clock: Clock) -> None:
        self.sent: list[Sent] = []
        self.is_writing_paused = False
        self.closes: list[tuple[int, str]] = []
        self._clock = clock

    def send(self, message: bytes | str) -> None:
        if self.closes:
            raise SessionClosed(*self.closes[0])
        assert isinstance(message, bytes)
        frame = proto.Frame.FromString(message)
        audio = frame.audio
        self.sent.append(
            Sent(
                self._clock.now(),
                frame.WhichOneof("frame") or "",
                audio.audio,
                audio.sample_rate,
                audio.num_channels,
                frame.message.data or frame.text.text,
            )
        )

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closes.append((code, reason))

    @property
    def audio(self) -> list[Sent]:
        return [message for message in self.sent if message.kind == "audio"]

    @property
    def pcm(self) -> bytes:
        return b"".join(message.pcm for message in self.audio)

    @property
    def audio_secs(self) -> float:
        return sum(message.secs for message in self.audio)


class Reports:
    """What the way out has told the pipeline, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.sent: list[Frame] = []
        self.stops: list[Any] = []  # (interrupted, played_secs)
        self.cuts: list[list[str]] = []  # What was heard of each sentence.
        self.errors: list[str] = []
        self.when_bot_starts: Callable[[], None] = lambda: None
        self.when_sent: Callable[[Frame], None] = lambda frame: None

    def on_sent(self, frame: Frame) -> None:
        self.sent.append(frame)
        self.log.append(type(frame).__name__)
        self.when_sent(frame)

    def on_bot_started(self) -> None:
        self.log.append("started")
        self.when_bot_starts()

    def on_bot_stopped(self, *, interrupted: bool, played_secs: float) -> None:
        self.log.append("interrupted" if interrupted else "stopped")
        self.stops.append((interrupted, played_secs))

    def on_speech_cut(self, sentences: Sequence[SpokenSentence]) -> None:
        self.cuts.append([each.heard for each in sentences])

    def on_output_error(self, message: str, exception: Exception) -> None:
        self.errors.append(message)


class Exit:
    """An `Outbound` with everything around it, in virtual time."""

    def __init__(
        self,
        *,
        sample_rate: int = RATE,
        serializer: ProtobufFrameSerializer | None = None,
        **params: object,
    ) -> None:
        self.clock = VirtualClock()
        self.began_at = self.clock.now()
        self.wire = MemoryWire(self.clock)
        self.reports = Reports()
        self.stats = TransportStats()
        self.outbound = Outbound(
            params=WebsocketServerParams.model_validate({"audio_out_enabled": True, **params}),
            serializer=serializer or ProtobufFrameSerializer(),
            sample_rate=sample_rate,
            wire=self.wire,
            clock=self.clock,
            stats=self.stats,
            events=self.reports,
        )

    @property
    def elapsed_secs(self) -> float:
        return self.clock.now() - self.began_at

    @property
    def lead_secs(self) -> float:
        """How much of what was sent has not been played, on a client that never ran dry."""
        return self.wire.audio_secs - self.elapsed_secs

    def say(self, secs: float, *, sample_rate: int = RATE, num_channels: int = 1) -> bytes:
        """Put a tone, and return it."""
        pcm = tone(secs, sample_rate=sample_rate, num_channels=num_channels)
        self.outbound.put(OutputAudioRawFrame(pcm, sample_rate, num_channels))
        return pcm

    def interrupt(self) -> None:
        self.outbound.interrupt(InterruptionFrame())

    def pause_writing(self) -> None:
        self.wire.is_writing_paused = True
        self.outbound.writing_paused()

    def resume_writing(self) -> None:
        self.wire.is_writing_paused = False
        self.outbound.writing_resumed()


def tone(
    secs: float, *, sample_rate: int = RATE, num_channels: int = 1, start_secs: float = 0.0
) -> bytes:
    """Return a 440 Hz sine at a quarter of full scale, in phase with time `start_secs`."""
    at = start_secs + np.arange(round(secs * sample_rate)) / sample_rate
    samples = (8000 * np.sin(2 * np.pi * 440 * at)).astype("<i2")
    return np.repeat(samples, num_channels).tobytes()


def samples(pcm: bytes) -> NDArray[np.int64]:
    return np.frombuffer(pcm, "<i2").astype(np.int64)


def largest_step(pcm: bytes) -> int:
    """Return the largest difference of two neighbouring samples: a click makes it large."""
    return int(np.abs(np.diff(samples(pcm))).max())


def message(text: str) -> OutputTransportMessageFrame:
    return OutputTransportMessageFrame({"text": text})


def words(text: str) -> TTSTextFrame:
    return TTSTextFrame(text)


class ToneVAD(VADAnalyzer):
    """Calls every 20 ms speech that have a sample above 1000; answers at once."""

    sample_rates: ClassVar[tuple[int, ...]] = (8000, 16000)

    def __init__(self, params: VADParams | None = None) -> None:
        super().__init__(params=params)
        self.heard = bytearray()
        self.num_open = 0

    def open_detector(
        self, sample_rate: int, on_confidence: Callable[[float], None]
    ) -> "ToneDetector":
        self.num_open += 1
        return ToneDetector(self, sample_rate // 50, on_confidence)


class ToneDetector:
    """One caller's."""

    def __init__(
        self, owner: ToneVAD, window_samples: int, on_confidence: Callable[[float], None]
    ) -> None:
        self.window_samples = window_samples
        self._owner = owner
        self._on_confidence = on_confidence

    def submit(self, window: bytes) -> None:
        self._owner.heard += window
        self._on_confidence(float(samples(window).max() > 1000))

    def close(self) -> None:
        self._owner.num_open -= 1
