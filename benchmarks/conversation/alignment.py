"""When each word of a recording ends: Whisper's cross-attention, by dynamic time warping."""

import ctranslate2
import numpy as np

from voicewire.audio.pcm import to_float
from voicewire.audio.resample import StreamNormalizer
from voicewire.services.local.mel import HOP_SAMPLES, SAMPLE_RATE, log_mel
from voicewire.services.local.whisper import WhisperEngine

FRAME_SECS = 0.02
"""Of the encoder's output."""

WINDOW_SECS = 30.0
START = (50257, 50362)
"""<|startoftranscript|>, <|notimestamps|> of the English models."""

PROMPT = ["<|startoftranscript|>", "<|notimestamps|>"]
END = 50256


def word_ends_secs(pcm: bytes, sample_rate: int) -> list[float]:
    """Return when each word of mono s16le ends, as many as Whisper hears."""
    normalizer = StreamNormalizer(SAMPLE_RATE, 1)
    samples = to_float(normalizer.process(pcm, sample_rate, 1) + normalizer.flush())
    columns = round(WINDOW_SECS * SAMPLE_RATE / HOP_SAMPLES)
    features = ctranslate2.StorageView.from_array(
        np.ascontiguousarray(log_mel(samples, columns)[None])
    )
    model = WhisperEngine.shared()._model
    (result,) = model.generate(features, [PROMPT], beam_size=1)
    ids = [token for token in result.sequences_ids[0] if token < END]
    tokens = result.sequences[0][: len(ids)]
    num_frames = len(samples) // HOP_SAMPLES
    (aligned,) = model.align(features, START, [ids], num_frames)
    last_frame: dict[int, int] = {}
    word = -1
    word_of_token = []
    for token in tokens:
        word += token.startswith("Ġ") or word < 0
        word_of_token.append(word)
    for token_index, frame in aligned.alignments:
        if token_index < len(word_of_token):
            index = word_of_token[token_index]
            last_frame[index] = max(last_frame.get(index, 0), frame)
    return [(last_frame[index] + 1) * FRAME_SECS for index in sorted(last_frame)]
