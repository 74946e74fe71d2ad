"""Sentences out of text that streams. Pure."""

from sentencex import segment

_NEXT_WORD = "Smith"
"""A name: what may follow an abbreviation as well as an end."""


class SentenceSplitter:
    """Gathers pieces of text and gives them back by the sentence.

    A sentence is complete when white space or the next one follows it, so that `3.14` and `Dr. Who`
    stay whole; the rules are those of github.com/wikimedia/sentencex. A line break ends one too.

    Args:
        language: ISO 639 code, for its abbreviations and its punctuation.
    """

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._text = ""

    def add(self, piece: str) -> list[str]:
        """Return the sentences that `piece` completes."""
        self._text += piece
        *lines, self._text = self._text.split("\n")
        sentences = [sentence for line in lines for sentence in self._segments(line)]
        # White space behind a mark is as good as the next sentence's first word.
        has_ended = self._text[-1:].isspace()
        *complete, rest = self._segments(self._text + _NEXT_WORD * has_ended) or [""]
        self._text = rest.removesuffix(_NEXT_WORD) if has_ended else rest
        return _told([*sentences, *complete])

    def flush(self) -> list[str]:
        """Return what is left, and begin anew."""
        rest, self._text = self._text, ""
        return _told(self._segments(rest))

    def _segments(self, text: str) -> list[str]:
        return list(segment(self._language, text))


def _told(sentences: list[str]) -> list[str]:
    return [stripped for sentence in sentences if (stripped := sentence.strip())]
