"""When has a conversation fallen silent?"""

import pytest

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InputAudioRawFrame,
    TextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline.idle import IdleWatch


def make_watch() -> IdleWatch:
    return IdleWatch(10.0, (TextFrame,), now=0.0)


def test_it_begins_to_measure_at_once() -> None:
    watch = make_watch()
    assert watch.remaining_secs(now=4.0) == 6.0
    assert watch.remaining_secs(now=12.0) == -2.0


def test_activity_begins_the_measure_anew() -> None:
    watch = make_watch()
    watch.see(TextFrame("a"), now=7.0)
    assert watch.remaining_secs(now=8.0) == 9.0


@pytest.mark.parametrize(
    ("starts", "stops"),
    [
        (UserStartedSpeakingFrame, UserStoppedSpeakingFrame),
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame),
    ],
)
def test_the_measure_stands_still_while_somebody_speaks(
    starts: type[Frame], stops: type[Frame]
) -> None:
    watch = make_watch()
    watch.see(starts(), now=1.0)
    assert watch.remaining_secs(now=500.0) == 10.0
    watch.see(stops(), now=500.0)
    assert watch.remaining_secs(now=501.0) == 9.0


def test_both_sides_must_be_silent() -> None:
    watch = make_watch()
    watch.see(UserStartedSpeakingFrame(), now=1.0)
    watch.see(BotStartedSpeakingFrame(), now=2.0)
    watch.see(UserStoppedSpeakingFrame(), now=3.0)
    assert watch.remaining_secs(now=100.0) == 10.0


@pytest.mark.parametrize("kind", [ClientConnectedFrame, ClientDisconnectedFrame])
def test_nobody_speaks_when_a_caller_comes_or_goes(kind: type[Frame]) -> None:
    watch = make_watch()
    watch.see(UserStartedSpeakingFrame(), now=1.0)
    watch.see(BotStartedSpeakingFrame(), now=1.0)
    watch.see(kind(), now=5.0)
    assert watch.remaining_secs(now=6.0) == 9.0


def test_it_cares_about_speaking_and_about_the_frames_it_was_given() -> None:
    watch = make_watch()
    for kind in (TextFrame, TranscriptionFrame, UserStartedSpeakingFrame, ClientConnectedFrame):
        assert watch.cares_about(kind)
        assert watch.cares_about(kind)
    assert not watch.cares_about(InputAudioRawFrame)
    assert not watch.cares_about(InputAudioRawFrame)


def test_it_can_be_restarted() -> None:
    watch = make_watch()
    watch.restart(now=20.0)
    assert watch.remaining_secs(now=20.0) == 10.0
