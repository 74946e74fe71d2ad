"""The transcript of a conversation."""

import asyncio
from datetime import datetime

import pytest

from tests.services.rig import running
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    InterimTranscriptionFrame,
    LLMTextFrame,
    TextFrame,
    TranscriptionFrame,
    TTSTextFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.processors import TranscriptLog, TranscriptMessage
from voicewire.processors.transcript_log import MAX_CHARACTERS

pytestmark = pytest.mark.anyio

NOON = "2024-01-01T12:00:00.000+00:00"


def said(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "jo", NOON)


def contents(log: TranscriptLog) -> list[str]:
    return [message.content for message in log.messages]


async def test_both_sides_are_written_down_in_order() -> None:
    log = TranscriptLog()
    async with running(log.user(), log.assistant()) as rig:
        await rig.send(said("Hi."), TTSTextFrame("Hello. "), TTSTextFrame("How are you?"))
        assert [(each.role, each.content) for each in log.messages] == [
            ("user", "Hi."),
            ("assistant", "Hello."),
            ("assistant", "How are you?"),
        ]
        assert log.messages[0].timestamp == NOON
        assert datetime.fromisoformat(log.messages[1].timestamp).tzinfo is not None
        assert len(rig.all_of(TextFrame)) == 3


async def test_what_is_no_part_of_the_conversation_is_not_written_down() -> None:
    log = TranscriptLog()
    async with running(log.user(), log.assistant()) as rig:
        await rig.send(
            InterimTranscriptionFrame("H", "", NOON), LLMTextFrame("x"), said("  "), TextFrame("y")
        )
        await rig.task.queue_frame(said("upstream"), FrameDirection.UPSTREAM)
        assert log.messages == []


async def test_the_application_is_told_of_each_message() -> None:
    log = TranscriptLog()
    told: list[TranscriptMessage] = []

    @log.event_handler("on_transcript_update")
    async def on_update(which: TranscriptLog, messages: list[TranscriptMessage]) -> None:
        assert which is log
        told.extend(messages)

    async with running(log.user(), log.assistant()) as rig:
        await rig.send(said("Hi."), TTSTextFrame("Hello."))
        await rig.settle()
        assert told == log.messages
        assert len(told) == 2


async def test_the_last_message_is_told_before_the_pipeline_has_ended() -> None:
    log = TranscriptLog()
    told: list[str] = []

    @log.event_handler("on_transcript_update")
    async def on_update(_: TranscriptLog, messages: list[TranscriptMessage]) -> None:
        for _turn in range(5):
            await asyncio.sleep(0)
        told.extend(message.content for message in messages)

    async with running(log.assistant()) as rig:
        await rig.send(TTSTextFrame("Goodbye."), EndFrame())
    assert told == ["Goodbye."]


async def test_a_handler_that_fails_stops_nothing() -> None:
    log = TranscriptLog()
    told: list[str] = []

    @log.event_handler("on_transcript_update")
    async def on_update(_: TranscriptLog, messages: list[TranscriptMessage]) -> None:
        told.append(messages[0].content)
        raise ValueError

    async with running(log.user()) as rig:
        await rig.send(said("one"), said("two"))
        await rig.settle()
    assert told == ["one", "two"]


async def test_the_oldest_messages_make_room() -> None:
    log = TranscriptLog(max_messages=2)
    async with running(log.user()) as rig:
        await rig.send(said("one"), said("two"), said("three"))
        assert contents(log) == ["two", "three"]
        assert log.num_dropped == 1


async def test_long_messages_make_room_too() -> None:
    log = TranscriptLog()
    async with running(log.user()) as rig:
        await rig.send(said("a" * MAX_CHARACTERS), said("b"))
        assert contents(log) == ["b"]
        await rig.send(said("c" * (MAX_CHARACTERS + 1)))
        assert log.num_dropped == 2
        assert len(log.messages) == 1


async def test_updates_that_nobody_takes_are_dropped_and_the_messages_kept() -> None:
    log = TranscriptLog()
    may_go_on = asyncio.Event()

    @log.event_handler("on_transcript_update")
    async def on_update(_: TranscriptLog, messages: list[TranscriptMessage]) -> None:
        await may_go_on.wait()

    async with running(log.user()) as rig:
        await rig.send(*(said(str(number)) for number in range(150)))
        assert len(log.messages) == 150
        assert log.num_dropped_updates == 50
        may_go_on.set()


async def test_the_transcript_is_kept_until_the_next_caller_comes() -> None:
    log = TranscriptLog()
    async with running(log.user(), log.assistant()) as rig:
        await rig.send(ClientConnectedFrame(), said("mine"), ClientDisconnectedFrame())
        assert contents(log) == ["mine"]
        await rig.send(ClientConnectedFrame())
        assert log.messages == []


async def test_first_words_survive_when_the_callers_arrival_reaches_the_other_side_later() -> None:
    log = TranscriptLog()
    user, assistant = log.user(), log.assistant()
    async with running(user, assistant) as rig:
        arrival = ClientConnectedFrame()
        user.process(arrival, FrameDirection.DOWNSTREAM)
        await rig.send(said("Hello?"))
        assistant.process(arrival, FrameDirection.DOWNSTREAM)
        assert contents(log) == ["Hello?"]


def test_a_log_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="1 or more"):
        TranscriptLog(max_messages=0)
