"""Whole calls over real sockets, with short sounds and short patience."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli.call.scripted_bot import RATE, ScriptedBot
from voicewire.audio.pcm import parse_wav
from voicewire.cli.call.client import Call, Outcome
from voicewire.cli.call.conversation import Manners
from voicewire.cli.call.events import BotStarted, BotStopped, CallEvent, Closed, Summary
from voicewire.cli.call.recorder import ReplyRecorder
from voicewire.cli.call.sound import Sound
from voicewire.clock import MonotonicClock

pytestmark = pytest.mark.anyio

QUESTION = Sound(b"\0\x30" * 4410, 22050, 1, "question.wav")
"""0.2 s."""

QUICK = Manners(greeting_wait_secs=0.1, answer_pause_secs=0.4, timeout_secs=1.0)


@pytest.fixture
def anyio_backend() -> str:
    """Return the loop that the command runs on; the calls take real time, once is enough."""
    return "asyncio"


async def call(
    bot: ScriptedBot,
    num_questions: int = 1,
    manners: Manners = QUICK,
    question: Sound = QUESTION,
    recorder: ReplyRecorder | None = None,
) -> tuple[Outcome, list[CallEvent]]:
    events: list[CallEvent] = []
    async with bot.serving() as url:
        a_call = Call(
            url,
            [question] * num_questions,
            manners=manners,
            headset=None,
            recorder=recorder,
            report=events.append,
            clock=MonotonicClock(),
        )
        outcome = await a_call.run()
        a_call.report_summary()
    return outcome, events


async def test_asked_twice_it_is_answered_twice() -> None:
    outcome, events = await call(ScriptedBot(), num_questions=2)
    assert outcome is Outcome.ANSWERED
    assert [event.question for event in events if isinstance(event, BotStarted)] == [1, 2]
    summary = events[-1]
    assert isinstance(summary, Summary)
    assert [question.transcript for question in summary.questions] == ["question 1", "question 2"]
    assert [question.answer for question in summary.questions] == ["Answer 1.", "Answer 2."]
    # The bot answers after five silent messages.
    latencies = [question.latency_secs for question in summary.questions]
    assert all(latency is not None and 0.08 < latency < 0.5 for latency in latencies)
    closed = events[-2]
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by) == (1000, "client")


async def test_the_microphone_never_pauses() -> None:
    bot = ScriptedBot(greeting_secs=0.3)
    _, events = await call(bot)
    closed = events[-2]
    assert isinstance(closed, Closed)
    assert {(audio.sample_rate, audio.num_channels) for audio in bot.received} == {(22050, 1)}
    assert len(bot.received) == pytest.approx(closed.at_secs / 0.02, rel=0.1)
    pcm = b"".join(audio.audio for audio in bot.received)
    assert QUESTION.pcm in pcm


async def test_a_bot_that_does_not_answer_ends_the_call() -> None:
    outcome, events = await call(ScriptedBot(answer_secs=0.0))
    assert outcome is Outcome.NO_ANSWER
    assert not any(isinstance(event, BotStarted) for event in events)


async def test_a_server_that_hangs_up_is_told() -> None:
    outcome, events = await call(ScriptedBot(closes_after=1), num_questions=2)
    assert outcome is Outcome.CUT_OFF
    closed = next(event for event in events if isinstance(event, Closed))
    assert (closed.code, closed.reason, closed.by) == (1001, "enough", "server")


async def test_a_caller_who_barges_in_is_told_when_the_bot_stopped() -> None:
    manners = Manners(
        greeting_wait_secs=0.1, answer_pause_secs=0.4, timeout_secs=1.0, barge_in_after_secs=0.5
    )
    # Long enough that the bot is silent for a while before it answers again.
    question = Sound(QUESTION.pcm * 3, 22050, 1, "question.wav")
    outcome, events = await call(ScriptedBot(answer_secs=2.0), 2, manners, question)
    assert outcome is Outcome.ANSWERED
    first, second = (event for event in events if isinstance(event, BotStopped))
    assert first.interrupted
    assert first.yield_secs is not None
    assert 0.0 <= first.yield_secs < 0.3
    assert first.spoke_secs < 1.2
    assert not second.interrupted


@pytest.mark.parametrize("in_wav", [False, True])
async def test_the_reply_is_saved_as_it_was_heard(tmp_path: Path, in_wav: bool) -> None:
    recorder = ReplyRecorder(tmp_path / "reply.wav")
    bot = ScriptedBot(greeting_secs=0.3, in_wav=in_wav)
    _, events = await call(bot, recorder=recorder)
    pcm, rate, channels = parse_wav((tmp_path / "reply.wav").read_bytes())
    assert (rate, channels) == (RATE, 1)
    is_loud = np.frombuffer(pcm, "<i2") > 0
    answer = [event for event in events if isinstance(event, BotStarted)][-1]
    begins_at = round(answer.at_secs * rate)
    assert not is_loud[begins_at - rate // 10 : begins_at - rate // 100].any()
    assert is_loud[begins_at : begins_at + rate // 10].any()
    assert np.count_nonzero(is_loud) / rate == pytest.approx(0.8, abs=0.01)
