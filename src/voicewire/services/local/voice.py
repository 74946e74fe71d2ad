"""A voice on this machine: hibari, one American English speaker."""

import functools
import os
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import from_float
from voicewire.errors import MissingExtraError, ServiceError
from voicewire.services.local.engine import Engine
from voicewire.services.local.models import VOICE_FILES, verify
from voicewire.services.local.speakable import speakable
from voicewire.services.local.worker import InferenceWorker

VOICE_SAMPLE_RATE = 24000
"""Hz; resampling is the caller's affair."""

MAX_WAITING = 64
"""Sentences that may wait for a thread; a sentence takes some 30 ms."""

# The model surrounds each sentence with 0.3 s of silence before and 0.45 s after it. The first only
# delays the answer, both together make the pause between two sentences too long.
_SILENCE_LEVEL = 0.003
_LEAD_SECS = 0.03
_TAIL_SECS = 0.25

_SEED = 0
"""Of the noise in the voice: the same sentence always gives the same bytes."""

_WARM_UP_SENTENCE = "Hello there, flibbertigibbet."
"""Its last word is in no lexicon, so that everything is loaded."""


class HibariEngine(Engine):
    """English text to speech, sentence by sentence.

    Example::

        engine = HibariEngine.shared()
        async for pcm in engine.speak("Hello. How are you?"):  # mono s16le at VOICE_SAMPLE_RATE
            ...
    """

    name = "the voice"

    def __init__(self, *, num_threads: int | None = None, max_waiting: int = MAX_WAITING) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            num_threads: Sentences that are made at the same time, each on one core; by default as
                many as there are cores, up to 2.
            max_waiting: Sentences that may wait besides; each caller has one at a time.
        """
        super().__init__()
        num_threads = num_threads or min(2, os.cpu_count() or 1)
        self._worker = InferenceWorker(self.name, num_threads=num_threads, max_waiting=max_waiting)
        self._model: Any = None

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield each sentence of `text` as soon as it is made; loads the model if need be.

        No sentence is begun before it is asked for: closing the iterator, or cancelling its task,
        ends the work with the sentence in hand. What cannot be said (see `speakable`) is left out,
        which may be everything.

        Yields:
            Mono s16le at `VOICE_SAMPLE_RATE`, a sentence with its pause.

        Raises:
            QueueFullError: Too many sentences wait already.
            ServiceError: The model failed.
            MissingExtraError, ModelFileError: As for `load`.
        """
        await self.ready()
        for sentence in self._model.split_sentences(speakable(text)):
            pcm = await self._worker.run(functools.partial(self._say, sentence))
            if pcm:
                yield pcm

    def _load_model(self) -> None:
        for file in VOICE_FILES:
            verify(file)
        try:
            import hibari
        except ImportError as exc:
            raise MissingExtraError("hibari", "local", needed_for=self.name) from exc
        self._model = hibari.Hibari(threads=1)
        self._say(_WARM_UP_SENTENCE)

    def _say(self, sentence: str) -> bytes:
        try:
            samples = self._model(sentence, seed=_SEED)
        except Exception as exc:  # pronunciation rules by the hundred: none may end a session
            raise ServiceError(f"{self.name} failed: {type(exc).__name__}") from exc
        return from_float(trim_silence(samples))


def trim_silence(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `samples` with 30 ms of silence left before the speech, and 250 ms after it.

    Empty where there is no sound at all.
    """
    loud = np.flatnonzero(np.abs(samples) > _SILENCE_LEVEL)
    if not len(loud):
        return samples[:0]
    start = max(0, int(loud[0]) - round(_LEAD_SECS * VOICE_SAMPLE_RATE))
    stop = int(loud[-1]) + 1 + round(_TAIL_SECS * VOICE_SAMPLE_RATE)
    return samples[start:stop]
