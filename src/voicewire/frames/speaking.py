"""Who speaks, and being cut off."""

import time
from dataclasses import dataclass, field

from voicewire.frames.base import SystemFrame


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
