"""How well speech was recognised: words compared as people hear them, not as they are spelled."""

import re
from collections.abc import Sequence
from typing import Final

from voicewire.services.local.arithmetic import NUMBER_WORDS, TENS_WORDS

_TITLES: Final = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}
_IRREGULAR_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_SCALES: Final = ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))
_MAX_NUMBER: Final = 999_999_999


def word_error_rate(reference: str, heard: str) -> float:
    """Return how many words were added, lost or replaced, per word of `reference`."""
    expected, got = normalise(reference), normalise(heard)
    if not expected:
        return float(bool(got))
    return _edit_distance(expected, got) / len(expected)


def normalise(text: str) -> list[str]:
    """Return the words of `text` in lower case, numbers and titles written out."""
    text = re.sub(
        r"(?<=\d),(?=\d{3}\b)", "", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda found: _ordinal(int(found.group(1))), text)
    text = re.sub(r"\d+", lambda found: f" {_cardinal(int(found.group()))} ", text)
    words = re.findall(r"[a-z]+(?:'[a-z]+)*", text)
    return [_TITLES.get(word, word) for word in words]


def _edit_distance(expected: Sequence[str], got: Sequence[str]) -> int:
    """Return Levenshtein's distance, in words."""
    above = list(range(len(got) + 1))
    for row, word in enumerate(expected, start=1):
        current = [row]
        for column, other in enumerate(got, start=1):
            replaced = above[column - 1] + (word != other)
            current.append(min(replaced, above[column] + 1, current[-1] + 1))
        above = current
    return above[-1]


def _cardinal(number: int) -> str:
    if number > _MAX_NUMBER:
        return " ".join(NUMBER_WORDS[int(digit)] for digit in str(number))
    for scale, name in _SCALES:
        if number >= scale:
            rest = f" {_cardinal(number % scale)}" if number % scale else ""
            return f"{_cardinal(number // scale)} {name}{rest}"
    if number < len(NUMBER_WORDS):
        return NUMBER_WORDS[number]
    unit = f" {NUMBER_WORDS[number % 10]}" if number % 10 else ""
    return TENS_WORDS[number // 10 - 2] + unit


def _ordinal(number: int) -> str:
    *before, last = _cardinal(number).split()
    if last in _IRREGULAR_ORDINALS:
        last = _IRREGULAR_ORDINALS[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ieth"
    else:
        last += "th"
    return " ".join([*before, last])
