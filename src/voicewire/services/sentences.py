"""Sentences out of text that streams. Pure."""

import re

_ENDINGS = re.compile(r"[.!?…]+[\"'”\u2019)\]]*(?=\s)|\n+")
_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "no", "approx"]
)


class SentenceSplitter:
    """Gathers pieces of text and gives them back by the sentence.

    A sentence is complete when white space follows its last mark, so that `3.14` stays whole.
    """

    def __init__(self) -> None:
        self._text = ""

    def add(self, piece: str) -> list[str]:
        """Return the sentences that `piece` completes."""
        self._text += piece
        sentences: list[str] = []
        start = 0
        for ending in _ENDINGS.finditer(self._text):
            if _is_abbreviation(self._text[start : ending.start()], ending.group()):
                continue
            sentence = self._text[start : ending.end()].strip()
            start = ending.end()
            if sentence:
                sentences.append(sentence)
        self._text = self._text[start:]
        return sentences

    def flush(self) -> str:
        """Return what is left, and begin anew."""
        rest, self._text = self._text.strip(), ""
        return rest


def _is_abbreviation(before: str, ending: str) -> bool:
    if not ending.startswith(".") or len(ending) > 1:
        return False
    word = before.rsplit(maxsplit=1)[-1].lstrip("(\"'“\u2018").lower() if before.strip() else ""
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")
