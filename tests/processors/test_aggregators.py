import asyncio
from collections.abc import Callable

import pytest

from tests.services.rig import Rig, running
from tests.turns.script import began, interim, paused, words
from voicewire.context import LLMContext
from voicewire.frames import (
    BotSpeechCutFrame,
    BotStartedSpeakingFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSpeculationFrame,
    LLMTextFrame,
    Message,
    SpokenSentence,
    TTSSentenceFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor
from voicewire.pipeline.task import PipelineParams
from voicewire.processors import (
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from voicewire.turns import (
    AlwaysUserMuteStrategy,
    ExternalUserTurnStrategies,
    MinWordsUserTurnStartStrategy,
    UserTurnStrategies,
)

pytestmark = pytest.mark.anyio


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def bot(text: str) -> Message:
    return {"role": "assistant", "content": text}


class Upstream(InlineProcessor):
    """Stands before the aggregator; answers the end of a turn as speech-to-text may."""

    def __init__(self, answer: Callable[[], Frame | None] = lambda: None) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._answer = answer

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is FrameDirection.UPSTREAM:
            self.frames.append(frame)
            if isinstance(frame, UserStoppedSpeakingFrame) and (answer := self._answer()):
                self.push(answer)
        self.push(frame, direction)

    def kinds(self) -> list[type[Frame]]:
        return [type(frame) for frame in self.frames]


async def say(rig: Rig, text: str) -> None:
    """Speak, pause, be transcribed, and be silent until that is the end."""
    await rig.send(began(), paused(), words(text))
    await rig.settle()
    rig.clock.advance(0.8)
    await rig.settle()


async def test_a_turn_is_told_both_ways_cuts_the_bot_off_and_asks_the_model() -> None:
    context = LLMContext([{"role": "system", "content": "be brief"}])
    upstream = Upstream()
    async with running(upstream, LLMUserAggregator(context)) as rig:
        await rig.send(began())
        await rig.wait_for(InterruptionFrame)
        await rig.send(paused(), words("what"), words("is it"))
        await rig.settle()
        assert rig.all_of(LLMContextFrame) == []
        rig.clock.advance(0.6)
        (asked,) = await rig.wait_for(LLMContextFrame)
    assert asked.context is context
    assert context.messages[1:] == [user("what is it")]
    assert len(rig.all_of(UserStartedSpeakingFrame)) == 1
    assert len(rig.all_of(UserStoppedSpeakingFrame)) == 1
    assert UserStartedSpeakingFrame in upstream.kinds()
    assert UserStoppedSpeakingFrame in upstream.kinds()


async def test_a_transcription_that_comes_with_the_end_belongs_to_the_turn() -> None:
    context = LLMContext()
    upstream = Upstream(lambda: words("just in time"))
    async with running(upstream, LLMUserAggregator(context)) as rig:
        await rig.send(began(), paused())
        await rig.settle()
        rig.clock.advance(0.6)
        await rig.wait_for(LLMContextFrame)
        await rig.settle()
        assert context.messages == [user("just in time")]
        assert len(rig.all_of(UserStartedSpeakingFrame)) == 1, "its words begin no new turn"


async def test_a_transcription_that_comes_late_is_waited_for() -> None:
    context = LLMContext()
    async with running(LLMUserAggregator(context)) as rig:
        await rig.send(began(), paused())
        await rig.settle()
        rig.clock.advance(0.6)
        await rig.wait_for(UserStoppedSpeakingFrame)
        assert rig.all_of(LLMContextFrame) == []
        rig.clock.advance(1.0)
        await rig.send(words("late"))
        await rig.wait_for(LLMContextFrame)
    assert context.messages == [user("late")]


async def test_a_noise_without_words_asks_nothing() -> None:
    context = LLMContext()
    async with running(LLMUserAggregator(context)) as rig:
        await rig.send(began(), paused())
        await rig.settle()
        rig.clock.advance(10)
        await rig.settle()
        assert rig.all_of(LLMContextFrame) == []
        assert rig.clock.num_timers == 0


async def test_who_speaks_on_before_the_words_are_there_is_asked_for_once() -> None:
    context = LLMContext()
    async with running(LLMUserAggregator(context)) as rig:
        await rig.send(began(), paused())
        await rig.settle()
        rig.clock.advance(0.6)
        await rig.send(began(), words("first"), paused(), words("second"))
        await rig.settle()
        rig.clock.advance(0.6)
        await rig.wait_for(LLMContextFrame)
        await rig.settle()
        assert len(rig.all_of(LLMContextFrame)) == 1
    assert context.messages == [user("first second")]


async def test_an_uh_huh_does_not_cut_the_bot_off_and_is_left_out() -> None:
    context = LLMContext()
    params = LLMUserAggregatorParams(
        user_turn_strategies=UserTurnStrategies(start=[MinWordsUserTurnStartStrategy(3)])
    )
    aggregator = LLMUserAggregator(context, params=params)
    async with running(aggregator) as rig:
        aggregator.process(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)
        await say(rig, "uh-huh")
        assert rig.all_of(InterruptionFrame) == []
        await say(rig, "no wait a moment")
        await rig.wait_for(LLMContextFrame)
    assert context.messages == [user("no wait a moment")]


async def test_a_muted_caller_is_not_listened_to() -> None:
    context = LLMContext()
    aggregator = LLMUserAggregator(
        context, params=LLMUserAggregatorParams(user_mute_strategies=[AlwaysUserMuteStrategy()])
    )
    async with running(aggregator) as rig:
        await rig.send(began())
        await rig.wait_for(UserStartedSpeakingFrame)
        aggregator.process(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)
        assert aggregator.is_muted
        await say(rig, "stop")
        assert len(rig.all_of(UserStoppedSpeakingFrame)) == 1, "their turn was ended"
        assert rig.all_of(LLMContextFrame) == []
    assert context.messages == []


async def test_turns_that_are_decided_elsewhere_are_followed() -> None:
    context = LLMContext()
    params = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    async with running(LLMUserAggregator(context, params=params)) as rig:
        await rig.send(UserStartedSpeakingFrame(), words("by a button"), UserStoppedSpeakingFrame())
        await rig.wait_for(LLMContextFrame)
        assert len(rig.all_of(UserStartedSpeakingFrame)) == 1, "nobody says it again"
    assert context.messages == [user("by a button")]


async def test_speculation_begins_at_a_pause_and_once() -> None:
    context = LLMContext([user("hello"), bot("hi")])
    params = LLMUserAggregatorParams(speculate=True)
    async with running(LLMUserAggregator(context, params=params)) as rig:
        await rig.send(began(), interim("what"))
        await rig.settle()
        assert rig.all_of(LLMSpeculationFrame) == []
        await rig.send(paused(), interim("what is it"))
        (begun,) = await rig.wait_for(LLMSpeculationFrame)
        await rig.send(interim("what is it"))
        await rig.settle()
        assert len(rig.all_of(LLMSpeculationFrame)) == 1
    assert begun.context.messages == [user("hello"), bot("hi"), user("what is it")]
    assert context.messages == [user("hello"), bot("hi")], "nothing has been said yet"


async def test_messages_are_added_and_replaced_and_asked_about_on_demand() -> None:
    context = LLMContext()
    async with running(LLMUserAggregator(context)) as rig:
        await rig.send(LLMMessagesAppendFrame([user("a")]))
        await rig.settle()
        assert rig.all_of(LLMContextFrame) == []
        await rig.send(LLMRunFrame())
        await rig.wait_for(LLMContextFrame, 1)
        assert context.messages == [user("a")]
        await rig.send(LLMMessagesUpdateFrame([user("b")], run_llm=True))
        await rig.wait_for(LLMContextFrame, 2)
        assert context.messages == [user("b")]
        await rig.send(LLMMessagesFrame([user("c")]))
        await rig.wait_for(LLMContextFrame, 3)
    assert context.messages == [user("c")]


async def test_each_caller_begins_where_the_first_one_did() -> None:
    context = LLMContext([{"role": "system", "content": "be brief"}])
    async with running(LLMUserAggregator(context)) as rig:
        await say(rig, "my secret")
        await rig.wait_for(LLMContextFrame)
        await rig.send(began(), words("and"), ClientDisconnectedFrame(), ClientConnectedFrame())
        await rig.settle()
        assert context.messages == [{"role": "system", "content": "be brief"}]
        assert len(rig.all_of(UserStoppedSpeakingFrame)) == 2
        rig.clock.advance(10)
        await rig.settle()
        assert len(rig.all_of(LLMContextFrame)) == 1


async def test_without_interruptions_a_turn_does_not_cut_the_bot_off() -> None:
    params = PipelineParams(allow_interruptions=False)
    async with running(LLMUserAggregator(LLMContext()), params=params) as rig:
        await rig.send(began())
        await rig.wait_for(UserStartedSpeakingFrame)
        await rig.settle()
        assert rig.all_of(InterruptionFrame) == []


async def test_the_events_of_a_turn_are_told() -> None:
    aggregator = LLMUserAggregator(LLMContext())
    told: list[str] = []
    over = asyncio.Event()

    @aggregator.event_handler("on_user_turn_started")
    async def started(aggregator: LLMUserAggregator) -> None:
        told.append("started")

    @aggregator.event_handler("on_user_turn_stopped")
    async def stopped(aggregator: LLMUserAggregator, text: str) -> None:
        told.append(text)
        over.set()

    async with running(aggregator) as rig:
        await say(rig, "hello")
        async with asyncio.timeout(5):
            await over.wait()
    assert told == ["started", "hello"]


def spoken(text: str, heard: str, like: TTSSentenceFrame) -> SpokenSentence:
    assert like.text == text
    return SpokenSentence(like, heard)


async def test_an_answer_is_remembered_sentence_by_sentence_as_it_goes_out() -> None:
    context = LLMContext([user("hello")])
    async with running(LLMAssistantAggregator(context)) as rig:
        await rig.send(LLMFullResponseStartFrame(), TTSSentenceFrame("One."))
        await rig.settle()
        assert context.messages == [user("hello"), bot("One.")]
        await rig.send(TTSTextFrame("One.", 7), TTSSentenceFrame("Two."), LLMFullResponseEndFrame())
        await rig.send(LLMFullResponseStartFrame(), TTSSentenceFrame("Another."))
        await rig.settle()
    assert context.messages == [user("hello"), bot("One. Two."), bot("Another.")]


async def test_what_was_not_heard_is_struck() -> None:
    context = LLMContext([user("hello")])
    first, second = TTSSentenceFrame("One two."), TTSSentenceFrame("Three four.")
    async with running(LLMAssistantAggregator(context)) as rig:
        await rig.send(LLMFullResponseStartFrame(), first, second, LLMFullResponseEndFrame())
        parts = [spoken("One two.", "One two.", first), spoken("Three four.", "Three", second)]
        await rig.send(BotSpeechCutFrame(parts))
        await rig.settle()
        assert context.messages == [user("hello"), bot("One two. Three")]
        await rig.send(BotSpeechCutFrame([part._replace(heard="") for part in parts]))
        await rig.settle()
        assert context.messages == [user("hello")], "an answer that nobody heard leaves no trace"
        context.add_message(user("what?"))
        await rig.send(BotSpeechCutFrame(parts))  # The client knows better after all.
        await rig.settle()
    assert context.messages == [user("hello"), bot("One two. Three"), user("what?")]


async def test_what_is_written_or_said_outside_of_an_answer_is_remembered_too() -> None:
    context = LLMContext()
    async with running(LLMAssistantAggregator(context)) as rig:
        await rig.send(TTSSentenceFrame("Welcome."))
        await rig.send(TTSSentenceFrame("One moment.", append_to_context=False))
        await rig.send(LLMFullResponseStartFrame(), LLMTextFrame("Read "), LLMTextFrame("this."))
        await rig.send(LLMFullResponseEndFrame(), TTSTextFrame("Of another voice."))
        await rig.settle()
    assert context.messages == [bot("Welcome."), bot("Read this."), bot("Of another voice.")]


async def test_a_pair_shares_its_context() -> None:
    context = LLMContext()
    ours, theirs = pair = LLMContextAggregatorPair(context)
    assert (ours, theirs) == (pair.user(), pair.assistant())
    assert ours.context is theirs.context is context
