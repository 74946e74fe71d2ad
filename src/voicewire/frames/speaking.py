"""Who speaks, and being cut off."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from voicewire.frames.base import SystemFrame
from voicewire.frames.tts import TTSSentenceFrame


@dataclass(slots=True, eq=False)
class InterruptionFrame(SystemFrame):
    """Stop what is being said: every queue it passes drops its interruptible frames."""


@dataclass(slots=True, eq=False)
class UserStartedSpeakingFrame(SystemFrame):
    """The caller's turn has begun."""


@dataclass(slots=True, eq=False)
class UserStoppedSpeakingFrame(SystemFrame):
    """The caller's turn is over."""


@dataclass(slots=True, eq=False)
class VADUserStartingFrame(SystemFrame):
    """Voice activity detection heard what may become speech; most of it does, some is a noise.

    Attributes:
        start_secs: How long it has to last to be speech; `VADUserStartedSpeakingFrame` says then
            that it is.
    """

    start_secs: float = 0.0


@dataclass(slots=True, eq=False)
class VADUserStartedSpeakingFrame(SystemFrame):
    """Voice activity detection heard speech begin.

    Attributes:
        start_secs: How long speech had to last before this was said.
        timestamp: Unix time, seconds.
    """

    start_secs: float = 0.0
    timestamp: float = field(default_factory=time.time)


@dataclass(slots=True, eq=False)
class VADUserStoppedSpeakingFrame(SystemFrame):
    """Voice activity detection heard speech end.

    Attributes:
        stop_secs: How long silence had to last before this was said.
        timestamp: Unix time, seconds.
    """

    stop_secs: float = 0.0
    timestamp: float = field(default_factory=time.time)


@dataclass(slots=True, eq=False)
class BotStartedSpeakingFrame(SystemFrame):
    """The bot's first audio goes out. Travels both ways from the output."""


@dataclass(slots=True, eq=False)
class BotStoppedSpeakingFrame(SystemFrame):
    """The caller has heard the last of it, or the bot was cut off. Travels both ways.

    Attributes:
        interrupted: True when the bot was cut off.
        played_secs: How much of this utterance the caller heard, by the best knowledge there is.
    """

    interrupted: bool = False
    played_secs: float = 0.0


class SpokenSentence(NamedTuple):
    """A sentence of the bot's, and how much of it the caller has heard."""

    sentence: TTSSentenceFrame
    heard: str
    """Its beginning, up to the last word heard; empty if there is none."""


@dataclass(slots=True, eq=False)
class BotSpeechCutFrame(SystemFrame):
    """The bot was cut off: what the caller has heard, and what not. Travels both ways.

    A second one about the same sentences replaces the first: the client has said exactly where its
    player stood.

    Attributes:
        sentences: Those of the answer that was cut off, in order, and those that waited behind it.
    """

    sentences: Sequence[SpokenSentence]

    @property
    def heard(self) -> str:
        """What the caller has heard of them."""
        return " ".join(each.heard for each in self.sentences if each.heard)

    @property
    def unheard(self) -> str:
        """What the caller has been spared."""
        rests = (each.sentence.text[len(each.heard) :].strip() for each in self.sentences)
        return " ".join(rest for rest in rests if rest)
