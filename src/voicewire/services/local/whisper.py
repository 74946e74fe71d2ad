"""Speech recognition on this machine: Whisper tiny.en, 8-bit, on CTranslate2."""

import functools
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import BYTES_PER_SAMPLE, to_float
from voicewire.errors import MissingExtraError, ServiceError
from voicewire.services.local.engine import Engine
from voicewire.services.local.hearing import (
    collapse_repeats,
    decode_tokens,
    is_looping,
    is_said_twice,
    split_at_pauses,
    without_special_tokens,
)
from voicewire.services.local.mel import HOP_SAMPLES, SAMPLE_RATE, log_mel
from voicewire.services.local.models import WHISPER_FILES, verify_all
from voicewire.services.local.worker import InferenceWorker

WHISPER_SAMPLE_RATE = SAMPLE_RATE
"""Hz; resampling is the caller's affair."""

NO_SPEECH_THRESHOLD = 0.6
"""Above this probability that nobody spoke the text is dropped (silence is heard as "you").

The default of github.com/openai/whisper.
"""

MAX_WAITING = 32
"""Transcriptions that may wait for a thread; some 2 s of work on two cores."""

# The model was trained on windows of 30 s. Shorter ones cost as much less as they are shorter and
# hear as well, as long as some seconds of silence tell the decoder where the end is: with 2 s of
# them it loops.
_MAX_WINDOW_SECS = 30.0
_MIN_WINDOW_SECS = 10.0
_SILENCE_SECS = 4.0

# After a pause the model may believe that it is done, and drop all that follows: a quarter of an
# utterance of 20 to 45 s. So long ones are cut in their pauses, which costs no more than long
# windows; and so is a piece with fewer words than anybody says in that time.
_MIN_PIECE_SECS = 4.0
_MAX_PIECE_SECS = 12.0
_MIN_WORDS_PER_SEC = 1.6
_MIN_SPARSE_SECS = 6.0

_MIN_UTTERANCE_SECS = 0.1
"""No word is shorter."""

# More than anybody can say, so that a decoder that has lost its place is stopped.
_BASE_TOKENS = 12
_TOKENS_PER_SEC = 14

_PROMPT = ["<|startoftranscript|>", "<|notimestamps|>"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in an utterance."""

    text: str
    """Empty where nobody spoke."""
    no_speech_prob: float
    """The model's probability that nobody spoke, 0..1; the least of an utterance's pieces."""
    duration_secs: float
    """Of the audio."""


class WhisperEngine(Engine):
    """English speech to text, one utterance at a time.

    Example::

        engine = WhisperEngine.shared()
        transcript = await engine.transcribe(pcm)  # mono s16le at WHISPER_SAMPLE_RATE
    """

    name = "speech recognition"

    def __init__(self, *, num_threads: int | None = None, max_waiting: int = MAX_WAITING) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            num_threads: Utterances that are transcribed at the same time, each on one core; by
                default as many as there are cores, up to 4.
            max_waiting: Utterances that may wait besides.
        """
        super().__init__()
        self._num_threads = num_threads or min(4, os.cpu_count() or 1)
        self._worker = InferenceWorker(
            self.name, num_threads=self._num_threads, max_waiting=max_waiting
        )
        self._model: Any = None

    async def transcribe(self, pcm: bytes) -> Transcript:
        """Return what is said in `pcm`; loads the model if need be.

        An utterance of any length is transcribed in full, in pieces of at most 12 s.

        Args:
            pcm: Mono s16le at `WHISPER_SAMPLE_RATE`.

        Raises:
            ValueError: `pcm` is not whole samples.
            QueueFullError: Too many transcriptions wait already.
            ServiceError: The model failed.
            MissingExtraError, ModelFileError: As for `load`.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"expected whole 16-bit samples; got {len(pcm)} bytes")
        await self.ready()
        return await self._worker.run(functools.partial(self._transcribe, pcm))

    def _load_model(self) -> None:
        folder = verify_all(WHISPER_FILES)
        try:
            import ctranslate2
        except ImportError as exc:
            raise MissingExtraError("ctranslate2", "local", needed_for=self.name) from exc
        self._model = ctranslate2.models.Whisper(
            str(folder),
            device="cpu",
            compute_type="int8",
            inter_threads=self._num_threads,
            intra_threads=1,
        )
        self._transcribe(bytes(SAMPLE_RATE * BYTES_PER_SAMPLE))  # the first run allocates

    def _transcribe(self, pcm: bytes) -> Transcript:
        samples = to_float(pcm)
        duration_secs = len(samples) / SAMPLE_RATE
        if duration_secs < _MIN_UTTERANCE_SECS:
            return Transcript("", 1.0, duration_secs)
        text, no_speech_prob = self._transcribe_pieces(samples, _MIN_PIECE_SECS, _MAX_PIECE_SECS)
        return Transcript(text, no_speech_prob, duration_secs)

    def _transcribe_pieces(
        self, samples: NDArray[np.float32], min_secs: float, max_secs: float
    ) -> tuple[str, float]:
        """Return what is said in `samples`, and the least probability that nobody spoke."""
        pieces = split_at_pauses(samples, SAMPLE_RATE, min_secs=min_secs, max_secs=max_secs)
        texts, no_speech_probs = zip(*map(self._transcribe_piece, pieces), strict=True)
        return " ".join(filter(None, texts)), min(no_speech_probs)

    def _transcribe_piece(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        length_secs = len(samples) / SAMPLE_RATE
        window_secs = max(_MIN_WINDOW_SECS, length_secs + _SILENCE_SECS)
        text, no_speech_prob = self._decode(samples, window_secs)
        if no_speech_prob > NO_SPEECH_THRESHOLD:
            return "", no_speech_prob
        if is_looping(text) or is_said_twice(text):
            # The full window is what the model knows best; what still repeats is cut down.
            text, no_speech_prob = self._decode(samples, _MAX_WINDOW_SECS)
            text = collapse_repeats(text)
        is_sparse = len(text.split()) < _MIN_WORDS_PER_SEC * length_secs
        if is_sparse and length_secs >= _MIN_SPARSE_SECS:
            return self._transcribe_pieces(samples, 0.25 * length_secs, 0.75 * length_secs)
        return text, no_speech_prob

    def _decode(self, samples: NDArray[np.float32], window_secs: float) -> tuple[str, float]:
        """Return the text that the model hears, and its probability that nobody spoke."""
        import ctranslate2

        # The encoder halves the number of columns, so it has to be even.
        num_columns = 2 * round(window_secs * SAMPLE_RATE / HOP_SAMPLES / 2)
        features = np.ascontiguousarray(log_mel(samples, num_columns)[None])
        length_secs = len(samples) / SAMPLE_RATE
        try:
            (result,) = self._model.generate(
                ctranslate2.StorageView.from_array(features),
                [_PROMPT],
                beam_size=1,
                max_length=_BASE_TOKENS + int(_TOKENS_PER_SEC * length_secs),
                return_no_speech_prob=True,
            )
        except (RuntimeError, ValueError) as exc:
            raise ServiceError(f"{self.name} failed: {exc}") from exc
        text = without_special_tokens(decode_tokens(result.sequences[0]))
        return text, float(result.no_speech_prob)
