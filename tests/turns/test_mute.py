import pytest

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
)
from voicewire.turns import (
    AlwaysUserMuteStrategy,
    FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy,
    UserMuteStrategy,
)

SPEAKS, STOPS, NEW_CALLER = BotStartedSpeakingFrame, BotStoppedSpeakingFrame, ClientConnectedFrame


@pytest.mark.parametrize(
    ("strategy", "muted"),
    [
        (AlwaysUserMuteStrategy(), [False, True, False, True, False, False]),
        (FirstSpeechUserMuteStrategy(), [False, True, False, False, False, False]),
        (MuteUntilFirstBotCompleteUserMuteStrategy(), [True, True, False, False, False, True]),
    ],
)
def test_the_caller_is_muted_while(strategy: UserMuteStrategy, muted: list[bool]) -> None:
    told = [strategy.is_muted]
    for kind in (SPEAKS, STOPS, SPEAKS, STOPS, NEW_CALLER):
        strategy.see(kind())
        told.append(strategy.is_muted)
    assert told == muted


def test_the_caller_is_muted_until_all_functions_have_returned() -> None:
    strategy = FunctionCallUserMuteStrategy()
    calls = [FunctionCallFromLLM("f", call_id, {}, None) for call_id in ("1", "2")]
    frames: list[Frame] = [
        FunctionCallsStartedFrame(calls),
        FunctionCallResultFrame("f", "1", {}, ""),
        FunctionCallCancelFrame("f", "2"),
    ]
    told = []
    for frame in frames:
        strategy.see(frame)
        told.append(strategy.is_muted)
    assert told == [True, True, False]
