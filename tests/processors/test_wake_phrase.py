"""A bot that sleeps until it is called."""

from collections.abc import Sequence

import pytest

from tests.services.rig import Rig, running
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InterimTranscriptionFrame,
    TextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.processors import WakePhraseFilter

pytestmark = pytest.mark.anyio


def said(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "jo", "2024-01-01T00:00:00+00:00", "en")


def heard(rig: Rig) -> list[str]:
    return [frame.text for frame in rig.all_of(TranscriptionFrame)]


async def test_nothing_is_heard_before_the_wake_phrase() -> None:
    async with running(WakePhraseFilter(["hey robot"])) as rig:
        await rig.send(said("What time is it?"), said("Hey Robot, what time is it?"))
        await rig.send(said("Thank you."))
        assert heard(rig) == ["Hey Robot, what time is it?", "Thank you."]


@pytest.mark.parametrize(
    "text", ["HEY, ROBOT!", "hey... robot", "hey\nrobot", "Hey what's-it, hey robot"]
)
async def test_case_and_punctuation_do_not_matter(text: str) -> None:
    async with running(WakePhraseFilter(["Hey, robot!"])) as rig:
        await rig.send(said(text))
        assert len(heard(rig)) == 1


@pytest.mark.parametrize("text", ["they robot", "hey robotics", "robot hey", "hey my robot"])
async def test_the_words_are_matched_whole_and_in_order(text: str) -> None:
    async with running(WakePhraseFilter(["hey robot"])) as rig:
        await rig.send(said(text))
        assert heard(rig) == []


async def test_what_was_said_before_the_phrase_is_not_passed_on() -> None:
    async with running(WakePhraseFilter(["what\u2019s up"])) as rig:
        await rig.send(said("I told him no. What's up, bot?"))
        (frame,) = rig.all_of(TranscriptionFrame)
        assert frame.text == "What's up, bot?"
        assert (frame.user_id, frame.language) == ("jo", "en")


@pytest.mark.parametrize(
    "texts",
    [
        ["So, hey", "robot, sing."],
        ["hey", "Robot, sing."],
        ["hey there. Hey", "", "robot, sing."],
    ],
)
async def test_a_phrase_may_be_split_over_transcriptions(texts: Sequence[str]) -> None:
    async with running(WakePhraseFilter(["hey robot"])) as rig:
        await rig.send(*map(said, texts))
        assert [text.casefold() for text in heard(rig)] == ["hey robot, sing."]


async def test_words_long_apart_are_no_phrase() -> None:
    async with running(WakePhraseFilter(["hey robot"])) as rig:
        await rig.send(said("hey"))
        rig.clock.advance(6)
        await rig.send(said("robot"))
        assert heard(rig) == []


async def test_any_of_several_phrases_wakes_it() -> None:
    async with running(WakePhraseFilter(["computer", "hey you robot"])) as rig:
        await rig.send(said("Computer?"))
        assert heard(rig) == ["Computer?"]


async def test_it_falls_asleep_after_the_last_speech() -> None:
    async with running(WakePhraseFilter(["robot"], keepalive_timeout_secs=3)) as rig:
        await rig.send(said("robot"))
        rig.clock.advance(2.9)
        await rig.send(said("still there?"))
        rig.clock.advance(2.9)
        await rig.send(InterimTranscriptionFrame("and", "", ""))
        rig.clock.advance(2.9)
        await rig.send(said("and now?"))
        rig.clock.advance(3.0)
        await rig.send(said("gone"))
        assert heard(rig) == ["robot", "still there?", "and now?"]


@pytest.mark.parametrize(
    ("started", "stopped"),
    [
        (UserStartedSpeakingFrame, UserStoppedSpeakingFrame),
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame),
    ],
)
async def test_it_stays_awake_while_somebody_speaks(
    started: type[Frame], stopped: type[Frame]
) -> None:
    wake = WakePhraseFilter(["robot"], keepalive_timeout_secs=3)
    async with running(wake) as rig:
        await rig.send(said("robot"), started())
        rig.clock.advance(60)
        await rig.send(stopped())
        rig.clock.advance(2.9)
        assert wake.is_awake
        rig.clock.advance(0.2)
        assert not wake.is_awake


async def test_speech_alone_does_not_wake_it() -> None:
    wake = WakePhraseFilter(["robot"])
    async with running(wake) as rig:
        await rig.send(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), said("hello"))
        assert not wake.is_awake


async def test_speech_that_goes_on_when_it_has_fallen_asleep_does_not_wake_it() -> None:
    wake = WakePhraseFilter(["robot"], keepalive_timeout_secs=3)
    async with running(wake) as rig:
        await rig.send(said("robot"))
        rig.clock.advance(3.1)
        await rig.send(UserStartedSpeakingFrame(), said("hello"))
        assert heard(rig) == ["robot"]


async def test_without_a_keepalive_each_question_needs_the_phrase() -> None:
    async with running(WakePhraseFilter(["robot"], keepalive_timeout_secs=0)) as rig:
        await rig.send(said("robot, one"), said("two"), said("robot, three"))
        assert heard(rig) == ["robot, one", "robot, three"]


async def test_it_can_stay_awake_for_the_whole_visit() -> None:
    async with running(WakePhraseFilter(["robot"], keepalive_timeout_secs=None)) as rig:
        await rig.send(said("robot"))
        rig.clock.advance(3600)
        await rig.send(said("still there?"), ClientDisconnectedFrame(), said("hello?"))
        assert heard(rig) == ["robot", "still there?"]


@pytest.mark.parametrize("change", [ClientConnectedFrame, ClientDisconnectedFrame])
async def test_the_next_caller_finds_it_asleep(change: type[Frame]) -> None:
    async with running(WakePhraseFilter(["hey robot"])) as rig:
        await rig.send(said("hey robot"), change(), said("hello"), said("hey"), change())
        await rig.send(said("robot"))
        assert heard(rig) == ["hey robot"]


async def test_all_other_frames_pass() -> None:
    async with running(WakePhraseFilter(["robot"])) as rig:
        await rig.send(InterimTranscriptionFrame("hi", "", ""), TextFrame("typed"))
        assert len(rig.all_of(TextFrame)) == 2


@pytest.mark.parametrize("phrases", ["hey robot", [], ["hey", "..."]])
def test_phrases_that_could_never_be_heard_are_refused(phrases: Sequence[str]) -> None:
    with pytest.raises(ConfigurationError, match="wake_phrases"):
        WakePhraseFilter(phrases)


def test_a_negative_keepalive_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 or more"):
        WakePhraseFilter(["robot"], keepalive_timeout_secs=-1)
