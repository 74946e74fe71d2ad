"""What surrounds Whisper's decoder: where to cut a long utterance, and what of its text to trust.

Pure.
"""

import re

import numpy as np
from numpy.typing import NDArray

_FRAME_SECS = 0.02
_SMOOTHING_FRAMES = 15
"""0.3 s: the pause between two phrases, rather than the stop before a plosive."""

_SPECIAL_TOKEN = re.compile(r"<\|[^|<>]*\|>")
_MAX_PHRASE_WORDS = 12
_MAX_WORD_REPEATS = 4
"""Somebody may well say "no, no, no, no"."""
_MAX_PHRASE_REPEATS = 2
_MIN_TWICE_WORDS = 3


def split_at_pauses(
    samples: NDArray[np.float32], sample_rate: int, *, min_secs: float, max_secs: float
) -> list[NDArray[np.float32]]:
    """Return `samples` in pieces of at most `max_secs`, each cut where it is quietest.

    Nothing is lost: the pieces put together are `samples`. Each piece but the last is at least
    `min_secs` long.
    """
    min_samples = round(min_secs * sample_rate)
    max_samples = round(max_secs * sample_rate)
    frame_samples = round(_FRAME_SECS * sample_rate)
    pieces = []
    while len(samples) > max_samples:
        cut = _quietest_sample(samples, min_samples, max_samples, frame_samples)
        pieces.append(samples[:cut])
        samples = samples[cut:]
    pieces.append(samples)
    return pieces


def _quietest_sample(
    samples: NDArray[np.float32], start: int, stop: int, frame_samples: int
) -> int:
    """Return the middle of the quietest stretch in start..stop; the later one of equals."""
    num_frames = (stop - start) // frame_samples
    span = samples[start : start + num_frames * frame_samples]
    energy = np.square(span.reshape(num_frames, frame_samples)).mean(axis=1)
    smooth = np.convolve(energy, np.ones(_SMOOTHING_FRAMES), mode="valid")
    last_minimum = len(smooth) - 1 - int(np.argmin(smooth[::-1]))
    return start + (last_minimum + _SMOOTHING_FRAMES // 2) * frame_samples


def is_looping(text: str) -> bool:
    """Whether a phrase is repeated more often than anybody would say it."""
    return collapse_repeats(text) != " ".join(text.split())


def is_said_twice(text: str) -> bool:
    """Whether the text is one phrase of three words or more, and the same again.

    People do say so, and a decoder may invent it: the audio is worth a second look.
    """
    keys = [re.sub(r"\W", "", word).lower() for word in text.split()]
    half = len(keys) // 2
    return half >= _MIN_TWICE_WORDS and keys[:half] == keys[half:]


def collapse_repeats(text: str) -> str:
    """Return `text` with a run of the same phrase cut down to what somebody may have said.

    A decoder that has lost its place says the same words until it is stopped. One word may be
    repeated four times, a phrase twice; of anything beyond that, one is left.
    """
    words = text.split()
    keys = [re.sub(r"\W", "", word).lower() for word in words]
    for length in range(1, _MAX_PHRASE_WORDS + 1):
        allowed = _MAX_WORD_REPEATS if length == 1 else _MAX_PHRASE_REPEATS
        words, keys = _collapse_runs(words, keys, length, allowed)
    return " ".join(words)


def _collapse_runs(
    words: list[str], keys: list[str], length: int, allowed: int
) -> tuple[list[str], list[str]]:
    kept_words: list[str] = []
    kept_keys: list[str] = []
    at = 0
    while at < len(words):
        phrase = keys[at : at + length]
        end = at + length
        while len(phrase) == length and keys[end : end + length] == phrase:
            end += length
        if (end - at) // length > allowed:
            kept_words += words[end - length : end]
            kept_keys += phrase
            at = end
        else:
            kept_words.append(words[at])
            kept_keys.append(keys[at])
            at += 1
    return kept_words, kept_keys


def without_special_tokens(text: str) -> str:
    """Return `text` without marks such as ``<|notimestamps|>``, which nobody said."""
    return " ".join(_SPECIAL_TOKEN.sub(" ", text).split())


def decode_tokens(tokens: list[str]) -> str:
    """Return the text of byte-level tokens, as GPT-2's vocabulary spells them.

    An incomplete character at the end, where the decoder was stopped, is left out.
    """
    plain = [token for token in tokens if not _SPECIAL_TOKEN.fullmatch(token)]
    known = (_BYTE_OF_CHARACTER.get(character) for token in plain for character in token)
    return bytes(byte for byte in known if byte is not None).decode("utf-8", "ignore")


def _byte_of_character() -> dict[str, int]:
    """Return GPT-2's spelling of bytes: printable ones are themselves, others from U+0100 on.

    See `bytes_to_unicode` in github.com/openai/gpt-2, `src/encoder.py`.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    spelled = {chr(byte): byte for byte in printable}
    spelled |= {chr(0x100 + index): byte for index, byte in enumerate(others)}
    return spelled


_BYTE_OF_CHARACTER = _byte_of_character()
