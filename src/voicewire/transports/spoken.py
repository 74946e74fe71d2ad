"""Which of the bot's words the caller has heard. Pure: positions are arguments."""

import math
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from voicewire.frames import SpokenSentence, TTSSentenceFrame

MAX_SENTENCES = 200
"""Sentences of one answer that are kept; of a longer one the oldest have been heard long ago."""

SECS_PER_CHAR = 0.065
"""Of a sentence whose audio is still being made: some 180 words a minute."""

_WORD = re.compile(r"\S+")


@dataclass(slots=True)
class _Place:
    """Where a sentence begins and ends in the stream, in seconds; the end once it is known."""

    sentence: TTSSentenceFrame
    begin_secs: float
    end_secs: float | None = None


class _Cut(NamedTuple):
    """What was told of the speech in a stream."""

    stream_id: int
    places: list[_Place]
    sentences: list[SpokenSentence]


class Spoken:
    """The sentences in the stream that a client plays: those of the answer in hand, at least."""

    def __init__(self) -> None:
        self._places: deque[_Place] = deque(maxlen=MAX_SENTENCES)
        self._last_cut: _Cut | None = None

    def begin(self, sentence: TTSSentenceFrame, *, sent_secs: float, played_secs: float) -> None:
        """Take note of a sentence whose audio is next.

        Args:
            sentence: What is said.
            sent_secs: Where in the stream it begins.
            played_secs: Where in the stream the caller is: what ends before, of other answers, is
                forgotten.
        """
        self.end(sent_secs=sent_secs)
        while self._places and self._is_over(self._places[0], sentence, played_secs):
            self._places.popleft()
        self._places.append(_Place(sentence, sent_secs))

    def end(self, *, sent_secs: float) -> None:
        """Take note of where the sentence ends whose audio was sent."""
        if self._places and self._places[-1].end_secs is None:
            self._places[-1].end_secs = sent_secs

    def cut(
        self, stream_id: int, position_secs: float, waiting: Iterable[TTSSentenceFrame]
    ) -> Sequence[SpokenSentence]:
        """Return what has been heard of each sentence, and begin anew.

        Args:
            stream_id: The stream that they are in.
            position_secs: Where in it the caller is.
            waiting: Sentences of which nothing has been sent.

        Returns:
            The sentences; none if nothing is missing of any.
        """
        places = [*self._places, *(_Place(sentence, math.inf) for sentence in waiting)]
        self._places.clear()
        sentences = _spoken_at(places, position_secs)
        if all(each.heard == each.sentence.text for each in sentences):
            self._last_cut = None
            return ()
        self._last_cut = _Cut(stream_id, places, sentences)
        return sentences

    def correct(self, stream_id: int, position_secs: float) -> Sequence[SpokenSentence]:
        """Return what has been heard after all; none if it was known, or of another stream.

        Args:
            stream_id: The stream that was cut.
            position_secs: Where in it the client has stopped.
        """
        last = self._last_cut
        if last is None or last.stream_id != stream_id:
            return ()
        self._last_cut = None
        sentences = _spoken_at(last.places, position_secs)
        return sentences if sentences != last.sentences else ()

    @staticmethod
    def _is_over(place: _Place, sentence: TTSSentenceFrame, played_secs: float) -> bool:
        is_same = sentence.answer_id is not None and place.sentence.answer_id == sentence.answer_id
        return not is_same and place.end_secs is not None and place.end_secs <= played_secs


def _spoken_at(places: Iterable[_Place], position_secs: float) -> list[SpokenSentence]:
    return [SpokenSentence(each.sentence, _heard_of(each, position_secs)) for each in places]


def _heard_of(place: _Place, position_secs: float) -> str:
    end_secs = place.end_secs if place.sentence.is_complete else None
    if end_secs is not None and end_secs <= position_secs:
        return place.sentence.text
    return heard_of(place.sentence, position_secs - place.begin_secs)


def heard_of(sentence: TTSSentenceFrame, played_secs: float) -> str:
    """Return the beginning of a sentence, up to the last word that is heard.

    A word counts as heard when half of it has been played.

    Args:
        sentence: With the times of its words; else each counts for its length.
        played_secs: How much of the sentence's audio has been played.
    """
    text = sentence.text
    if played_secs <= 0:
        return ""
    if sentence.words:
        end = 0
        for word, start_secs, end_secs in sentence.words:
            if (start_secs + end_secs) / 2 > played_secs:
                return text[:end]
            found = text.find(word, end)
            end = found + len(word) if found >= 0 else min(len(text), end + len(word) + 1)
        return text if sentence.is_complete else text[:end]
    total_secs = sentence.audio_secs
    if not sentence.is_complete:
        total_secs = max(total_secs, len(text) * SECS_PER_CHAR)
    heard_chars = len(text) * played_secs / total_secs if total_secs else 0.0
    end = 0
    for match in _WORD.finditer(text):
        if (match.start() + match.end()) / 2 > heard_chars:
            break
        end = match.end()
    return text[:end]
