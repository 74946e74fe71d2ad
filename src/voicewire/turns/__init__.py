"""When the caller's turn begins and ends."""

from voicewire.turns.analyzer import TextTurnAnalyzer, TurnAnalyzer
from voicewire.turns.mute import (
    AlwaysUserMuteStrategy,
    FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy,
    UserMuteStrategy,
)
from voicewire.turns.start import (
    MinWordsUserTurnStartStrategy,
    TranscriptionUserTurnStartStrategy,
    UserTurnStartStrategy,
    VADUserTurnStartStrategy,
)
from voicewire.turns.stop import (
    SpeechTimeoutUserTurnStopStrategy,
    TranscriptionUserTurnStopStrategy,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStopStrategy,
)
from voicewire.turns.strategies import ExternalUserTurnStrategies, UserTurnStrategies
from voicewire.turns.user_turns import UserTurns

__all__ = [
    "AlwaysUserMuteStrategy",
    "ExternalUserTurnStrategies",
    "FirstSpeechUserMuteStrategy",
    "FunctionCallUserMuteStrategy",
    "MinWordsUserTurnStartStrategy",
    "MuteUntilFirstBotCompleteUserMuteStrategy",
    "SpeechTimeoutUserTurnStopStrategy",
    "TextTurnAnalyzer",
    "TranscriptionUserTurnStartStrategy",
    "TranscriptionUserTurnStopStrategy",
    "TurnAnalyzer",
    "TurnAnalyzerUserTurnStopStrategy",
    "UserMuteStrategy",
    "UserTurnStartStrategy",
    "UserTurnStopStrategy",
    "UserTurnStrategies",
    "UserTurns",
    "VADUserTurnStartStrategy",
]
