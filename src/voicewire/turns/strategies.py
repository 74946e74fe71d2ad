"""Which strategies a bot goes by."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from voicewire.turns.start import (
    TranscriptionUserTurnStartStrategy,
    UserTurnStartStrategy,
    VADUserTurnStartStrategy,
)
from voicewire.turns.stop import SpeechTimeoutUserTurnStopStrategy, UserTurnStopStrategy


def _default_start() -> Sequence[UserTurnStartStrategy]:
    return (VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy())


def _default_stop() -> Sequence[UserTurnStopStrategy]:
    return (SpeechTimeoutUserTurnStopStrategy(),)


@dataclass
class UserTurnStrategies:
    """How a turn begins and how it ends; the first strategy of either kind that says so counts.

    Attributes:
        start: By default a voice, or words.
        stop: By default 0.8 s of silence.
    """

    start: Sequence[UserTurnStartStrategy] = field(default_factory=_default_start)
    stop: Sequence[UserTurnStopStrategy] = field(default_factory=_default_stop)


@dataclass
class ExternalUserTurnStrategies(UserTurnStrategies):
    """Turns are decided elsewhere: by the transport's VAD, a service or a button.

    Whoever does so pushes `UserStartedSpeakingFrame`, `UserStoppedSpeakingFrame` and
    `InterruptionFrame`.
    """

    start: Sequence[UserTurnStartStrategy] = ()
    stop: Sequence[UserTurnStopStrategy] = ()
