"""Text of a stranger's, made fit for a terminal.

A terminal obeys what it is sent: an escape sequence in a bot's answer could clear the screen,
forge the lines above it, or fill the clipboard.
"""

import json
import unicodedata
from typing import Any

_JOINERS = "\u200c\u200d"
"""Have no width, but Persian and Hindi words, and many emoji, are misspelt without them."""


def printable(text: str) -> str:
    r"""Return the text on one line, with what a terminal would obey as `\x1b`, `\n`, `\u202e`.

    That is everything but letters, marks, digits, punctuation, symbols and blanks: control
    characters of 7 and 8 bits, line breaks, changes of the writing direction, lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(
        char if _is_harmless(char) else char.encode("unicode_escape").decode() for char in text
    )


def json_line(value: Any) -> str:
    """Return the value as one line of JSON, with what `printable` replaces as JSON's own escapes.

    Whoever reads the JSON gets the very same value.
    """
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    # Outside of its strings JSON is ASCII that can be printed, so each one is within a string.
    return "".join(char if _is_harmless(char) else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    # json.dumps would leave U+007F as it is.
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _is_harmless(char: str) -> bool:
    # `isprintable` is false of all blanks but U+0020, also of French and Japanese ones.
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"
