"""Whether somebody has finished, by their voice: Smart Turn v3 on this machine."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import BYTES_PER_SAMPLE, to_float
from voicewire.errors import MissingExtraError, ServiceError
from voicewire.services.local.engine import Engine
from voicewire.services.local.mel import HOP_SAMPLES, SAMPLE_RATE, log_mel
from voicewire.services.local.models import SMART_TURN_FILE, verify
from voicewire.services.local.worker import InferenceWorker
from voicewire.turns.analyzer import ANALYZER_SECS

MAX_WAITING = 64
"""Judgements that may wait for a thread; what comes later is refused, and the turn waits longer."""

_WINDOW_SAMPLES = round(ANALYZER_SECS * SAMPLE_RATE)
_VARIANCE_FLOOR = 1e-7
"""Of `transformers.WhisperFeatureExtractor`, with which the model was trained."""


class SmartTurnEngine(Engine):
    """The one copy of the model that all sessions of a process share.

    The weights are those of github.com/pipecat-ai/smart-turn, v3.2 for CPUs: 65 ms a judgement.
    """

    name = "the turn model"

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            max_waiting: Judgements that may wait besides the one in hand.
        """
        super().__init__()
        self._worker = InferenceWorker(self.name, num_threads=1, max_waiting=max_waiting)
        self._session: Any = None

    async def judge(self, pcm: bytes) -> float:
        """Return the probability that the speaker has finished, 0..1; load the model if need be.

        Args:
            pcm: The end of the turn with the pause behind it: mono s16le at 16 kHz; of more than
                8 s the last ones count.

        Raises:
            ValueError: `pcm` is not whole samples.
            QueueFullError: Too many judgements wait already.
            ServiceError: The model failed.
            MissingExtraError, ModelFileError: As for `load`.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"expected whole 16-bit samples; got {len(pcm)} bytes")
        await self.ready()
        return await self._worker.run(functools.partial(self._judge, pcm))

    def _load_model(self) -> None:
        path = verify(SMART_TURN_FILE)
        try:
            import onnxruntime
        except ImportError as exc:
            raise MissingExtraError("onnxruntime", "local", needed_for=self.name) from exc
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._judge(bytes(SAMPLE_RATE * BYTES_PER_SAMPLE))  # the first run allocates

    def _judge(self, pcm: bytes) -> float:
        try:
            (probability,) = self._session.run(None, {"input_features": features(to_float(pcm))})
        except RuntimeError as exc:
            raise ServiceError(f"{self.name} failed: {exc}") from exc
        return float(probability[0, 0])


class SmartTurnAnalyzer:
    """Smart Turn v3, for `TurnAnalyzerUserTurnStopStrategy`.

    It hears intonation as well as words, in 23 languages. Of complete sentences that are read aloud
    it accepts some two thirds: it shortens the silence that ends a turn, and is no judge by itself.
    """

    def __init__(self) -> None:
        self._engine = SmartTurnEngine.shared()

    async def ready(self) -> None:
        """Load the model."""
        await self._engine.ready()

    async def close(self) -> None:
        """Do nothing: other callers use the model too."""

    async def judge(self, pcm: bytes) -> float:
        """Return the probability that the speaker has finished; see `SmartTurnEngine.judge`."""
        return await self._engine.judge(pcm)


def features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the model takes of the last 8 s of `samples`, shape (1, 80, 800).

    Silence goes before a shorter turn; the whole is brought to zero mean and unit variance.
    """
    window = np.zeros(_WINDOW_SAMPLES, np.float32)
    last = samples[-_WINDOW_SAMPLES:]
    window[_WINDOW_SAMPLES - len(last) :] = last
    window = (window - window.mean()) / np.sqrt(window.var() + _VARIANCE_FLOOR)
    return log_mel(window, _WINDOW_SAMPLES // HOP_SAMPLES)[None]
