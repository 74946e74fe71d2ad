"""A call in virtual time: ticks of 10 ms, and a bot that speaks when a test says so."""

from typing import Any, TypeVar

import pytest

from voicewire.cli.call.conversation import (
    ANSWER_LIMIT_SECS,
    GREETING_LIMIT_SECS,
    Conversation,
    Manners,
    Question,
    Step,
)
from voicewire.cli.call.events import (
    BotStarted,
    BotStopped,
    BotText,
    CallerStarted,
    CallerStopped,
    CallEvent,
    Transcript,
)
from voicewire.cli.call.speech_span import SpeechSpan

TICK_SECS = 0.01
QUESTION = Question("question.wav", 2.5, SpeechSpan(0.5, 2.0))

Kind = TypeVar("Kind", bound=CallEvent)


class Rig:
    """A conversation and its clock."""

    def __init__(self, num_questions: int = 1, manners: Manners | None = None) -> None:
        self.now = 100.0
        self.steps: list[tuple[Step, float]] = []
        self.events: list[CallEvent] = []
        self.conversation = Conversation(
            [QUESTION] * num_questions, manners or Manners(), now=self.now
        )

    def wait(self, secs: float) -> None:
        """Let time pass, noting the steps with their times since the connection."""
        for _ in range(round(secs / TICK_SECS)):
            self.now += TICK_SECS
            step = self.conversation.next_step(now=self.now)
            if step is not Step.WAIT:
                self.steps.append((step, round(self.now - 100.0, 2)))
        self.events += self.conversation.take_events()

    def wait_for(self, step: Step) -> float:
        """Let time pass until that step, and return how long it took."""
        num_before, began_at = len(self.steps), self.now
        while len(self.steps) == num_before:
            self.wait(TICK_SECS)
            assert self.now < 200.0
        assert self.steps[-1][0] is step
        return self.now - began_at

    def bot_says(self, secs: float) -> None:
        """Let the bot's audio come, in real time."""
        ends_at = self.now
        for _ in range(round(secs / 0.1)):
            ends_at += 0.1
            self.conversation.audio_came(now=self.now, ends_at=ends_at)
            self.wait(0.1)

    def of(self, kind: type[Kind]) -> list[Kind]:
        self.events += self.conversation.take_events()
        return [event for event in self.events if isinstance(event, kind)]


def near(secs: float) -> Any:
    return pytest.approx(secs, abs=2 * TICK_SECS)


def test_without_a_greeting_the_first_question_comes_after_a_while() -> None:
    assert Rig().wait_for(Step.ASK) == near(1.5)


def test_a_greeting_is_heard_to_its_end_first() -> None:
    rig = Rig()
    rig.wait(0.3)
    rig.bot_says(4.0)
    assert rig.wait_for(Step.ASK) == near(1.0)
    assert [event.question for event in rig.of(BotStarted)] == [None]
    assert rig.of(BotStopped)[0].spoke_secs == near(4.0)


def test_a_pause_between_two_sentences_does_not_end_a_greeting() -> None:
    rig = Rig()
    rig.bot_says(1.0)
    rig.wait(0.8)
    rig.bot_says(1.0)
    assert rig.wait_for(Step.ASK) == near(1.0)


def test_latency_counts_from_the_last_sound_of_the_voice() -> None:
    rig = Rig()
    rig.wait_for(Step.ASK)
    rig.wait(3.0)
    rig.bot_says(1.0)
    (started,) = rig.of(BotStarted)
    assert started.question == 1
    assert started.latency_secs == near(1.0)
    assert [round(event.at_secs, 2) for event in rig.of(CallerStarted)] == [near(1.5 + 0.5)]
    assert [round(event.at_secs, 2) for event in rig.of(CallerStopped)] == [near(1.5 + 2.0)]


def test_the_call_ends_after_the_last_answer() -> None:
    rig = Rig()
    rig.wait_for(Step.ASK)
    rig.wait(3.0)
    rig.bot_says(1.0)
    assert rig.wait_for(Step.HANG_UP) == near(1.0)
    assert rig.conversation.is_answered


def test_the_next_question_waits_for_the_end_of_the_answer() -> None:
    rig = Rig(num_questions=2)
    rig.wait_for(Step.ASK)
    assert not rig.conversation.is_answered
    rig.wait(3.0)
    rig.bot_says(5.0)
    assert rig.wait_for(Step.ASK) == near(1.0)
    assert not rig.conversation.is_answered


def test_a_quick_answer_does_not_cut_the_recording_short() -> None:
    rig = Rig(num_questions=2, manners=Manners(answer_pause_secs=0.0))
    rig.wait_for(Step.ASK)
    rig.wait(2.05)
    rig.bot_says(0.1)
    assert rig.wait_for(Step.ASK) == near(2.5 - 2.15)


def test_it_gives_up_where_no_answer_comes() -> None:
    rig = Rig(manners=Manners(timeout_secs=7.0))
    rig.wait_for(Step.ASK)
    assert rig.wait_for(Step.GIVE_UP) == near(2.0 + 7.0)
    assert not rig.conversation.is_answered


def test_a_caller_who_barges_in_is_told_how_fast_the_bot_yields() -> None:
    rig = Rig(num_questions=2, manners=Manners(barge_in_after_secs=1.0))
    rig.wait_for(Step.ASK)
    rig.wait(3.0)
    rig.bot_says(1.0)
    assert len(rig.steps) == 2  # It has just been asked.
    rig.bot_says(0.8)
    rig.wait(0.4)
    (stopped,) = rig.of(BotStopped)
    assert stopped.interrupted
    assert stopped.question == 1
    assert stopped.yield_secs == near(0.8 - QUESTION.speech.start_secs)


def test_a_barge_in_needs_a_next_recording() -> None:
    rig = Rig(manners=Manners(barge_in_after_secs=1.0))
    rig.wait_for(Step.ASK)
    rig.wait(3.0)
    rig.bot_says(3.0)
    assert rig.wait_for(Step.HANG_UP) == near(1.0)


def test_an_answer_into_a_pause_of_the_caller_is_not_the_answer() -> None:
    rig = Rig()
    rig.wait_for(Step.ASK)
    rig.wait(1.0)
    rig.bot_says(0.3)
    rig.wait(2.0)
    (early,) = rig.of(BotStarted)
    assert early.latency_secs is None
    assert rig.of(BotStopped)[0].interrupted
    assert rig.of(BotStopped)[0].yield_secs is None
    rig.bot_says(0.5)
    assert rig.of(BotStarted)[1].latency_secs == near(3.3 - 2.0)


def test_a_bot_that_spoke_early_and_speaks_on_has_answered() -> None:
    rig = Rig()
    rig.wait_for(Step.ASK)
    rig.wait(1.8)
    rig.bot_says(3.0)
    assert rig.wait_for(Step.HANG_UP) == near(1.0)
    assert not rig.of(BotStopped)[0].interrupted


def test_what_is_said_belongs_to_what_was_asked() -> None:
    rig = Rig(num_questions=2)
    rig.conversation.audio_came(now=rig.now, ends_at=rig.now + 0.5)
    rig.conversation.text_came("Hello.", now=rig.now)
    for text in ("one", "two"):
        rig.wait_for(Step.ASK)
        rig.wait(2.2)
        rig.conversation.transcript_came(f"say {text}", now=rig.now)
        rig.bot_says(0.5)
        rig.conversation.text_came(text, now=rig.now)
        rig.conversation.text_came("indeed", now=rig.now)
    summary = rig.conversation.summary(now=rig.now)
    assert summary.greeting == "Hello."
    assert [question.transcript for question in summary.questions] == ["say one", "say two"]
    assert [question.answer for question in summary.questions] == ["one indeed", "two indeed"]
    assert [event.question for event in rig.of(Transcript)] == [1, 2]
    assert [event.question for event in rig.of(BotText)] == [None, 1, 1, 2, 2]


def test_a_summary_before_the_end_holds_what_was_asked() -> None:
    rig = Rig(num_questions=3)
    rig.wait_for(Step.ASK)
    assert len(rig.conversation.summary(now=rig.now).questions) == 1


def test_a_flush_ends_what_the_bot_says() -> None:
    rig = Rig()
    rig.conversation.audio_came(now=rig.now, ends_at=rig.now + 5.0)
    rig.wait(0.5)
    rig.conversation.audio_flushed(now=rig.now)
    rig.wait(0.4)
    assert rig.of(BotStopped)[0].spoke_secs == near(0.5)


def test_with_a_microphone_nobody_hangs_up() -> None:
    rig = Rig(num_questions=0, manners=Manners(hangs_up=False))
    rig.bot_says(1.0)
    rig.wait(30.0)
    assert rig.steps == []


def test_a_bot_that_is_never_silent_is_asked_and_left_all_the_same() -> None:
    rig = Rig()
    rig.bot_says(75.0)
    (first_step, asked_at), (last_step, left_at), *_ = rig.steps
    assert first_step is Step.ASK
    assert asked_at == pytest.approx(GREETING_LIMIT_SECS, abs=0.02)
    answered_at = GREETING_LIMIT_SECS + QUESTION.speech.end_secs
    assert last_step is Step.HANG_UP
    assert answered_at <= left_at - ANSWER_LIMIT_SECS <= answered_at + 1.0
