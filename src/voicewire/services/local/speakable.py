"""Text as a voice can say it: without the marks that only an eye understands. Pure."""

import re
import unicodedata
from urllib.parse import urlsplit

_CODE_FENCE = re.compile(r"^\s*(```|~~~).*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\[]{0,300})\]\(([^()\s]{0,2000})[^()]{0,300}\)")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'|]+", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_RULE = re.compile(r"^\s*([-*_=])(?:\s*\1){2,}\s*$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[\s|:+-]*-[\s|:+-]*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|>+\s*|[-*+•·—]\s+)")
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|~~)(?=\S)(.{1,300}?)(?<=\S)\1(?!\w)")
_ELLIPSIS = re.compile(r"\s*(?:\.{2,}|…)+\s*")
_REPEATED_MARK = re.compile(r"([!?,;:])[!?,;:.]*")
_SPACE_BEFORE_MARK = re.compile(r"\s+([,.;:!?])")
_SENTENCE_END = (".", "!", "?", ":", ",", ";")
_MARKS_WITHOUT_SOUND = str.maketrans("", "", "*`~|\\^{}[]<>_•")

_DROPPED_CATEGORIES = frozenset({"So", "Sk", "Cs", "Co", "Cn", "Cc", "Cf"})
"""Emoji and other pictures, what modifies them (skin tones, joiners), and control characters."""

_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_KEYCAP = 0x20E3
_KEPT = frozenset("°©®\n")


def speakable(text: str) -> str:
    """Return `text` without what a voice would stumble over; empty where nothing can be said.

    Markdown loses its marks, a list becomes sentences, a link is its text, an address is its host
    ("https://docs.python.org/3/" becomes "docs.python.org"), an ellipsis is a pause, and emoji go.
    Line ends remain as sentence ends.
    """
    text = _CODE_FENCE.sub("", text)
    text = _LINK.sub(_link_text, text)
    text = _URL.sub(_host, text)
    text = _TAG.sub(" ", text)
    text = _RULE.sub("", text)
    text = _TABLE_RULE.sub("", text)
    text = "".join(character for character in text if _has_sound(character))
    lines = (_speakable_line(line) for line in text.splitlines())
    return "\n".join(_end_sentences([line for line in lines if line]))


def _speakable_line(line: str) -> str:
    line = _LINE_MARK.sub("", line)
    line = _EMPHASIS.sub(r"\2", line)
    line = re.sub(r"\s*\|\s*", ", ", line.strip().strip("|"))
    line = line.replace("_", " ").translate(_MARKS_WITHOUT_SOUND)
    line = _ELLIPSIS.sub(_pause, line)
    line = _REPEATED_MARK.sub(r"\1", line)
    line = _SPACE_BEFORE_MARK.sub(r"\1", line)
    line = " ".join(line.split()).lstrip(".,;:!?- ")
    return line if any(character.isalnum() for character in line) else ""


def _end_sentences(lines: list[str]) -> list[str]:
    """Give a pause to each line but the last: what follows a list's item is not its sentence."""
    return [
        line if index == len(lines) - 1 or line.endswith(_SENTENCE_END) else f"{line}."
        for index, line in enumerate(lines)
    ]


def _pause(match: re.Match[str]) -> str:
    """Return how to pause at an ellipsis: a full stop at an end, else a comma."""
    rest = match.string[match.end() :]
    if not rest or rest[0] in ",.;:!?\"')":
        return "" if rest[:1] in tuple(",.;:!?") else "."
    if match.start() == 0:
        return ""
    return ". " if rest[0].isupper() and not rest.startswith(("I ", "I'")) else ", "


def _link_text(match: re.Match[str]) -> str:
    words, address = match.groups()
    return words or address


def _host(match: re.Match[str]) -> str:
    """Return an address's host without "www.", and the punctuation that ended its sentence."""
    address = match.group()
    bare = address.rstrip(".,;:!?)*_`")
    try:
        host = urlsplit(bare if "://" in bare else f"//{bare}").hostname
    except ValueError:  # such as a bracket that opens an IPv6 address and is not closed
        host = None
    return (host or "").removeprefix("www.") + address[len(bare) :]


def _has_sound(character: str) -> bool:
    if character in _KEPT or character == "\t":
        return True
    if ord(character) in _VARIATION_SELECTORS or ord(character) == _KEYCAP:
        return False
    return unicodedata.category(character) not in _DROPPED_CATEGORIES
