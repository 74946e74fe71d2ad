"""A bot that listens only once it has been called by its name."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from copy import copy
from typing import NamedTuple

from voicewire.errors import ConfigurationError
from voicewire.frames import (
    AudioRawFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_APOSTROPHES = str.maketrans("", "", "'\u2019")

MAX_SPLIT_SECS = 5.0
"""How long after its first words a phrase may be completed by another transcription."""

_USER = "user"
_BOT = "bot"


class WakePhraseFilter(InlineProcessor):
    """Lets transcriptions through only after a wake phrase, and for a while after it.

    The phrase is looked for in words: whatever their case and the punctuation between them, and
    also where it is split over transcriptions that follow each other. The transcription that
    completes it goes on from the phrase's first word; what was said before it does not. All frames
    other than `TranscriptionFrame` pass. A caller who comes finds it asleep.

    Languages that put no space between words need phrases that stand for themselves.

    ::

        Pipeline([transport.input(), stt, WakePhraseFilter(["hey robot"]), llm, tts, ...])

    Args:
        wake_phrases: Any of these wakes it.
        keepalive_timeout_secs: How long it stays awake after the last speech of either side: longer
            than speech-to-text takes. 0 wants the phrase in each transcription; None stays awake
            until the caller leaves.
        name: For logs.

    Raises:
        ConfigurationError: There is no phrase, or one without a word; or the timeout is negative.
    """

    def __init__(
        self,
        wake_phrases: Sequence[str],
        *,
        keepalive_timeout_secs: float | None = 3.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if isinstance(wake_phrases, str):
            raise ConfigurationError(f"wake_phrases is a list of phrases: [{wake_phrases!r}]")
        self._phrases = [_normal_words(phrase) for phrase in wake_phrases]
        if not self._phrases or not all(self._phrases):
            raise ConfigurationError("wake_phrases needs a phrase, and each phrase a word")
        if keepalive_timeout_secs is not None and not keepalive_timeout_secs >= 0:
            raise ConfigurationError(
                f"keepalive_timeout_secs is {keepalive_timeout_secs}; expected 0 or more, or None"
            )
        self._keepalive_secs = keepalive_timeout_secs
        self._max_words_before = max(map(len, self._phrases)) - 1
        self._last_speech_at: float | None = None
        self._speakers: set[str] = set()
        self._words_before = ""
        self._words_before_at = 0.0

    @property
    def is_awake(self) -> bool:
        """Whether a transcription would go through as it is."""
        if self._last_speech_at is None:
            return False
        if self._keepalive_secs is None or self._speakers:
            return True
        now = self._require_setup().clock.now()
        return now - self._last_speech_at < self._keepalive_secs

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, AudioRawFrame):  # Nearly always, so it comes before all else.
            self.push(frame, direction)
            return
        if isinstance(frame, TranscriptionFrame) and direction is FrameDirection.DOWNSTREAM:
            heard = self._listen(frame)
            if heard is not None:
                self.push(heard)
            return
        if isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._forget()
        elif isinstance(frame, InterimTranscriptionFrame):
            self._stay_awake()
        elif isinstance(frame, UserStartedSpeakingFrame | BotStartedSpeakingFrame):
            self._stay_awake()
            self._speakers.add(_speaker_of(frame))
        elif isinstance(frame, UserStoppedSpeakingFrame | BotStoppedSpeakingFrame):
            self._stay_awake()  # Before it is nobody that speaks.
            self._speakers.discard(_speaker_of(frame))
        self.push(frame, direction)

    def _listen(self, frame: TranscriptionFrame) -> TranscriptionFrame | None:
        """Return what may go on of a transcription."""
        if self._stay_awake():
            return frame
        now = self._require_setup().clock.now()
        if now - self._words_before_at > MAX_SPLIT_SECS:
            self._words_before = ""
        text = f"{self._words_before} {frame.text}" if self._words_before else frame.text
        words = list(_words(text))
        start = self._find(words)
        if start is None:
            first = max(0, len(words) - self._max_words_before)
            self._words_before = " ".join(word.spelling for word in words[first:])
            self._words_before_at = now
            return None
        self._words_before = ""
        self._last_speech_at = now
        if start == 0 and text == frame.text:
            return frame
        heard = copy(frame)
        heard.text = text[words[start].start :]
        return heard

    def _find(self, words: "list[_Word]") -> int | None:
        """Return the number of the word that the last wake phrase begins with."""
        spoken = [word.normal for word in words]
        for start in reversed(range(len(spoken))):
            if any(spoken[start : start + len(phrase)] == phrase for phrase in self._phrases):
                return start
        return None

    def _stay_awake(self) -> bool:
        """Count speech towards staying awake, and return whether it is awake."""
        if not self.is_awake:
            self._last_speech_at = None
            return False
        self._last_speech_at = self._require_setup().clock.now()
        return True

    def _forget(self) -> None:
        self._last_speech_at = None
        self._speakers.clear()
        self._words_before = ""


class _Word(NamedTuple):
    """A word as it was written and as it is compared, and where in the text it begins."""

    spelling: str
    normal: str
    start: int


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        spelling = match.group()
        plain = unicodedata.normalize("NFKC", spelling.translate(_APOSTROPHES))
        yield _Word(spelling, plain.casefold(), match.start())


def _normal_words(phrase: str) -> list[str]:
    return [word.normal for word in _words(phrase)]


def _speaker_of(frame: Frame) -> str:
    is_user = isinstance(frame, UserStartedSpeakingFrame | UserStoppedSpeakingFrame)
    return _USER if is_user else _BOT
