import pytest

from voicewire import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.transports.turn_watch import ANSWER_SECS, TurnWatch

CALL = FunctionCallInProgressFrame("get_time", "call-1", {})
RESULT = FunctionCallResultFrame("get_time", "call-1", {}, "noon")
STOPPED = BotStoppedSpeakingFrame(interrupted=False, played_secs=1.0)


def settled_after(*frames: Frame, later_secs: float = 0.0) -> bool:
    watch = TurnWatch()
    for frame in frames:
        assert watch.cares_about(type(frame))
        watch.see(frame, now=100.0)
    return watch.is_settled(now=100.0 + later_secs)


def test_nothing_is_under_way_at_first() -> None:
    assert settled_after()


@pytest.mark.parametrize(
    "frames",
    [
        [UserStartedSpeakingFrame()],
        [UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()],
        [UserStoppedSpeakingFrame(), LLMFullResponseStartFrame()],
        [LLMFullResponseStartFrame(), BotStartedSpeakingFrame(), STOPPED],
        [BotStartedSpeakingFrame(), LLMFullResponseEndFrame()],
        [LLMFullResponseStartFrame(), CALL, LLMFullResponseEndFrame()],
        [CALL, RESULT],
        [BotStartedSpeakingFrame(), UserStartedSpeakingFrame(), InterruptionFrame(), STOPPED],
    ],
)
def test_a_turn_is_under_way_until_it_has_been_answered(frames: list[Frame]) -> None:
    assert not settled_after(*frames)


@pytest.mark.parametrize(
    "frames",
    [
        [UserStoppedSpeakingFrame(), LLMFullResponseStartFrame(), LLMFullResponseEndFrame()],
        [UserStoppedSpeakingFrame(), BotStartedSpeakingFrame(), STOPPED],
        [LLMFullResponseStartFrame(), InterruptionFrame()],
        [CALL, RESULT, LLMFullResponseStartFrame(), LLMFullResponseEndFrame()],
    ],
)
def test_a_turn_is_over_when_its_answer_is(frames: list[Frame]) -> None:
    assert settled_after(*frames)


def test_who_gets_no_answer_is_not_waited_for_for_ever() -> None:
    spoken = [UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()]
    assert not settled_after(*spoken, later_secs=ANSWER_SECS - 0.1)
    assert settled_after(*spoken, later_secs=ANSWER_SECS)
