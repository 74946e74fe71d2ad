import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.services.rig import running
from voicewire.context import LLMContext
from voicewire.context.context import MAX_MESSAGES
from voicewire.frames import (
    BotSpeechCutFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSpeculationFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    Message,
    SpokenSentence,
    TranscriptionFrame,
    TTSSentenceFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    WordTime,
)
from voicewire.services.llm import TRANSCRIPT_SECS, LLMService
from voicewire.services.tts import TTSService

pytestmark = pytest.mark.anyio


class EchoLLM(LLMService):
    """Repeats the last message word by word; before the last word it waits for `may_finish`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[Message]] = []
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self.num_closed = 0

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        self.asked.append([dict(message) for message in context.messages])
        *words, last = context.messages[-1]["content"].split()
        if last == "fail":
            raise ConnectionError("no such model")
        try:
            for word in words:
                yield word + " "
            await self.may_finish.wait()
            yield last
        finally:
            self.num_closed += 1


def heard(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "", "")


def user(text: str) -> Message:
    return {"role": "user", "content": text}


async def test_an_answer_streams_between_its_start_and_end() -> None:
    async with running(EchoLLM()) as rig:
        await rig.send(LLMMessagesFrame([user("one two three")]))
        await rig.wait_for(LLMFullResponseEndFrame)
        assert len(rig.all_of(LLMFullResponseStartFrame)) == 1
        assert [f.text for f in rig.all_of(LLMTextFrame)] == ["one ", "two ", "three"]


async def test_each_transcription_is_a_question_and_the_answer_is_remembered() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(LLMMessagesFrame([{"role": "system", "content": "be brief"}]))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        await rig.send(heard("hello bot"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert len(rig.all_of(TranscriptionFrame)) == 1, "the transcription goes on downstream"
    assert llm.messages == [
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "be brief"},
        user("hello bot"),
        {"role": "assistant", "content": "hello bot"},
    ]


async def test_an_interruption_stops_the_answer_at_its_source() -> None:
    llm = EchoLLM()
    llm.may_finish.clear()
    async with running(llm) as rig:
        await rig.send(heard("never said"))
        await rig.wait_for(LLMTextFrame)
        await rig.send(InterruptionFrame())
        await rig.settle()
        assert llm.num_closed == 1
        assert rig.all_of(LLMFullResponseEndFrame) == []
        llm.may_finish.set()
        await rig.send(heard("again"))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert llm.asked[-1] == [
        user("never said"),
        {"role": "assistant", "content": "never "},
        user("again"),
    ]


async def test_a_caller_who_speaks_on_is_answered_once() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(UserStartedSpeakingFrame(), heard("what is"))
        await rig.settle()
        assert llm.asked == []
        await rig.send(UserStoppedSpeakingFrame(), heard("the time"))
        await rig.wait_for(LLMFullResponseEndFrame)
        rig.clock.advance(10)
        await rig.settle()
    assert llm.asked == [[user("what is"), user("the time")]]


async def test_a_question_is_answered_though_the_sound_after_it_was_no_speech() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(UserStartedSpeakingFrame(), heard("what now"))
        await rig.settle()
        await rig.send(UserStoppedSpeakingFrame())
        await rig.settle()
        assert llm.asked == []
        rig.clock.advance(TRANSCRIPT_SECS)
        await rig.wait_for(LLMFullResponseEndFrame)
    assert llm.asked == [[user("what now")]]


async def test_the_next_caller_is_answered_though_the_last_one_left_in_mid_sentence() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(UserStartedSpeakingFrame(), heard("what is"))
        await rig.settle()
        await rig.send(ClientDisconnectedFrame(), ClientConnectedFrame(), heard("hello"))
        await rig.wait_for(LLMFullResponseEndFrame)
        assert llm.asked == [[user("hello")]]


async def test_a_question_of_the_last_caller_is_not_answered_to_the_next() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(UserStartedSpeakingFrame(), heard("what now"))
        await rig.settle()
        await rig.send(UserStoppedSpeakingFrame())
        await rig.send(ClientDisconnectedFrame(), ClientConnectedFrame())
        assert rig.clock.num_timers == 0
        rig.clock.advance(10)
        await rig.settle()
        assert llm.asked == []


async def test_the_next_caller_begins_a_conversation_of_their_own() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(heard("my secret"))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        await rig.send(ClientConnectedFrame(), heard("hello"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert llm.asked[-1] == [user("hello")]


async def test_an_answer_that_ends_late_is_not_remembered_with_the_next_caller() -> None:
    class SlowToHangUp(EchoLLM):
        async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
            try:
                yield "Your balance "
                await asyncio.Event().wait()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)

    llm = SlowToHangUp()
    async with running(llm) as rig:
        await rig.send(heard("my balance"))
        await rig.wait_for(LLMTextFrame)
        await rig.send(ClientDisconnectedFrame(), ClientConnectedFrame())
        await rig.settle()
    assert llm.messages == []


async def test_messages_are_added_and_replaced_and_answered_on_demand() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(LLMMessagesUpdateFrame([user("a")]), LLMMessagesAppendFrame([user("b")]))
        await rig.settle()
        assert llm.asked == []
        await rig.send(LLMRunFrame())
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        await rig.send(LLMMessagesUpdateFrame([user("c")], run_llm=True))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        await rig.send(LLMMessagesAppendFrame([user("d")], run_llm=True))
        await rig.wait_for(LLMFullResponseEndFrame, 3)
    assert [[m["content"] for m in asked] for asked in llm.asked] == [
        ["a", "b"],
        ["c"],
        ["c", "c", "d"],
    ]


async def test_a_context_of_an_aggregator_is_answered_and_left_alone() -> None:
    llm = EchoLLM()
    context = LLMContext([user("from outside")])
    async with running(llm) as rig:
        await rig.send(LLMContextFrame(context))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert llm.asked == [[user("from outside")]]
    assert llm.messages == []
    assert context.messages == [user("from outside")]


async def test_a_failing_model_is_reported_and_the_next_question_answered() -> None:
    llm = EchoLLM()
    errors: list[ErrorFrame] = []
    async with running(llm) as rig:

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame)

        await rig.send(heard("please fail"))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        await rig.send(heard("try again"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert "no such model" in errors[0].error
    assert isinstance(errors[0].exception, ConnectionError)


async def test_a_long_conversation_is_bounded_and_keeps_its_system_message() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(LLMMessagesUpdateFrame([{"role": "system", "content": "s"}]))
        await rig.send(LLMMessagesAppendFrame([user(str(i)) for i in range(MAX_MESSAGES + 10)]))
        await rig.settle()
    assert len(llm.messages) == MAX_MESSAGES
    assert llm.messages[0]["role"] == "system"
    assert llm.messages[-1] == user(str(MAX_MESSAGES + 9))


async def test_an_answer_that_is_only_to_be_read_is_marked_until_told_otherwise() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(LLMConfigureOutputFrame(skip_tts=True), heard("read this"))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        await rig.send(InterruptionFrame())
        await rig.send(LLMConfigureOutputFrame(skip_tts=False), heard("say this"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert [(f.text, f.skip_tts) for f in rig.all_of(LLMTextFrame)] == [
        ("read ", True),
        ("this", True),
        ("say ", False),
        ("this", False),
    ]
    assert len(rig.all_of(LLMConfigureOutputFrame)) == 2, "they go on downstream"


async def test_the_next_caller_is_spoken_to() -> None:
    async with running(EchoLLM()) as rig:
        await rig.send(LLMConfigureOutputFrame(skip_tts=True), ClientDisconnectedFrame())
        await rig.send(ClientConnectedFrame(), heard("hello"))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert [f.skip_tts for f in rig.all_of(LLMTextFrame)] == [False]


def sentence(answer_id: int, text: str) -> TTSSentenceFrame:
    return TTSSentenceFrame(text, answer_id=answer_id)


class Voice(TTSService):
    """Says each sentence in silence."""

    def __init__(self) -> None:
        super().__init__(sample_rate=8000)

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        yield bytes(160)


async def test_of_an_answer_that_was_cut_off_what_was_heard_is_remembered() -> None:
    llm = EchoLLM()
    async with running(llm) as rig:
        await rig.send(heard("one two. three"))
        await rig.wait_for(LLMFullResponseEndFrame)
        (start,) = rig.all_of(LLMFullResponseStartFrame)
        parts = [
            SpokenSentence(sentence(start.id, "one two."), "one"),
            SpokenSentence(sentence(start.id, "three"), ""),
        ]
        await rig.send(BotSpeechCutFrame(parts))
        await rig.settle()
        assert llm.messages[-1] == {"role": "assistant", "content": "one"}
        nothing = [part._replace(heard="") for part in parts]
        await rig.send(BotSpeechCutFrame(nothing))
        await rig.settle()
        assert llm.messages == [user("one two. three")]
        await rig.send(heard("well"), BotSpeechCutFrame(parts))
        await rig.settle()
        assert [m["content"] for m in llm.messages[:3]] == ["one two. three", "one", "well"]


async def test_an_answer_that_is_cut_off_before_its_first_sentence_is_not_remembered() -> None:
    llm = EchoLLM()
    llm.may_finish.clear()
    async with running(llm, Voice()) as rig:
        await rig.send(heard("never said"))
        await rig.wait_until(lambda: len(llm.messages) == 2)
        await rig.send(InterruptionFrame())
        await rig.settle()
    assert llm.messages == [user("never said")]


async def test_a_model_that_says_nothing_is_given_up() -> None:
    class Mute(LLMService):
        async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
            await asyncio.Event().wait()
            yield ""

    async with running(Mute(first_word_secs=0.01)) as rig:
        errors: list[ErrorFrame] = []

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame)

        await rig.send(heard("hello"))
        await rig.wait_for(LLMFullResponseEndFrame)
        await rig.settle()
    assert "said nothing for 0.01 s" in errors[0].error


async def test_settings_change_in_mid_call_and_a_wrong_one_leaves_them_as_they_are() -> None:
    llm = EchoLLM()
    errors: list[ErrorFrame] = []
    async with running(llm) as rig:

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame)

        await rig.send(LLMUpdateSettingsFrame({"model": "better"}))
        await rig.send(LLMUpdateSettingsFrame({"temprature": 1}))
        await rig.send(LLMUpdateSettingsFrame({"model": "other"}, service="somebody else"))
        await rig.wait_for(LLMUpdateSettingsFrame, 2)
        await rig.settle()
    assert llm.settings.model == "better"
    assert "Did you mean 'temperature'?" in errors[0].error


class Counting(EchoLLM):
    """Counts how many answers were begun."""

    num_begun = 0

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        self.num_begun += 1
        async for piece in super().stream_answer(context):
            yield piece


async def test_what_was_begun_on_speculation_is_said_when_it_is_asked() -> None:
    llm = Counting()
    async with running(llm) as rig:
        await rig.send(LLMSpeculationFrame(LLMContext([user("one two three")])))
        await rig.settle()
        assert llm.num_begun == 1
        assert rig.all_of(LLMTextFrame) == [], "nothing is said before it is asked"
        await rig.send(LLMContextFrame(LLMContext([user("one two three")])))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert llm.num_begun == 1
    assert [f.text for f in rig.all_of(LLMTextFrame)] == ["one ", "two ", "three"]


async def test_what_was_begun_on_other_words_is_thrown_away() -> None:
    llm = Counting()
    llm.may_finish.clear()
    async with running(llm) as rig:
        await rig.send(LLMSpeculationFrame(LLMContext([user("one two")])))
        await rig.settle()
        await rig.send(LLMContextFrame(LLMContext([user("three four")])))
        await rig.wait_for(LLMTextFrame)
        llm.may_finish.set()
        await rig.wait_for(LLMFullResponseEndFrame)
    assert llm.num_begun == llm.num_closed == 2
    assert [f.text for f in rig.all_of(LLMTextFrame)] == ["three ", "four"]


@pytest.mark.parametrize(
    "end", [VADUserStartedSpeakingFrame(), InterruptionFrame(), ClientDisconnectedFrame()]
)
async def test_a_speculation_ends_when_the_caller_goes_on(end: Frame) -> None:
    llm = Counting()
    llm.may_finish.clear()
    async with running(llm) as rig:
        await rig.send(LLMSpeculationFrame(LLMContext([user("one two")])))
        await rig.settle()
        await rig.send(end)
        await rig.settle()
        assert llm.num_closed == 1
        assert rig.all_of(LLMTextFrame) == []


async def test_a_speculation_that_fails_is_told_of_when_it_is_asked() -> None:
    errors: list[ErrorFrame] = []
    async with running(Counting()) as rig:

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame)

        await rig.send(LLMSpeculationFrame(LLMContext([user("please fail")])))
        await rig.settle()
        assert errors == []
        await rig.send(LLMContextFrame(LLMContext([user("please fail")])))
        await rig.wait_for(LLMFullResponseEndFrame)
        await rig.settle()
    assert "no such model" in errors[0].error
