import asyncio
import logging

import pytest

from tests.turns.script import Script, began, interim, may_begin, paused, words
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientDisconnectedFrame,
    InputAudioRawFrame,
)
from voicewire.turns import (
    MinWordsUserTurnStartStrategy,
    SpeechTimeoutUserTurnStopStrategy,
    TranscriptionUserTurnStartStrategy,
    TranscriptionUserTurnStopStrategy,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStrategies,
)

pytestmark = pytest.mark.anyio


class Judge:
    """Says what it is told to, when it is let."""

    def __init__(self, verdict: float) -> None:
        self.verdict = verdict
        self.asked: list[object] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_ready = False

    async def ready(self) -> None:
        self.is_ready = True

    async def close(self) -> None:
        self.is_ready = False

    async def judge(self, given: object) -> float:
        self.asked.append(given)
        await self.may_answer.wait()
        if self.verdict < 0:
            raise RuntimeError("no such model")
        return self.verdict


async def by_judgement(sound: float, text: float | None = None) -> tuple[Script, Judge]:
    heard, read = Judge(sound), None if text is None else Judge(text)
    strategy = TurnAnalyzerUserTurnStopStrategy(heard, text_analyzer=read)
    return await Script(UserTurnStrategies(stop=[strategy])).open(), heard


async def test_a_turn_is_a_voice_and_the_silence_after_it() -> None:
    script = await Script(UserTurnStrategies()).open()
    await script.see(began())
    await script.advance(1.0)
    await script.see(paused())  # 0.2 s of the silence are over.
    await script.advance(0.5)
    assert script.said() == ["begins"]
    await script.advance(0.1)
    assert script.log[-1] == ("ends", 1.6)


async def test_a_pause_is_no_end() -> None:
    script = await Script(UserTurnStrategies()).open()
    await script.see(began(), paused())
    await script.advance(0.5)
    await script.see(began())
    await script.advance(5.0)
    assert script.said() == ["begins"]


async def test_a_turn_does_not_end_at_the_first_sound_of_a_caller_who_goes_on() -> None:
    script = await Script(UserTurnStrategies()).open()
    await script.see(began(), paused())
    await script.advance(0.5)
    await script.see(may_begin())  # 0.1 s before the turn would end.
    await script.advance(0.15)
    await script.see(began())
    await script.advance(5.0)
    assert script.said() == ["begins"]


async def test_a_noise_puts_off_the_end_of_a_turn_no_longer_than_a_voice_takes_to_be_one() -> None:
    script = await Script(UserTurnStrategies()).open()
    await script.see(began(), paused())
    await script.advance(0.5)
    await script.see(may_begin())
    await script.advance(0.2)
    assert script.log[-1] == ("ends", 0.7)


async def test_words_begin_a_turn_where_no_voice_was_heard_and_silence_ends_it() -> None:
    script = await Script(UserTurnStrategies()).open()
    await script.see(words("hello"))
    await script.advance(0.8)
    assert script.said() == ["begins", "ends"]


async def test_without_voice_detection_a_turn_ends_some_time_after_its_last_words() -> None:
    strategies = UserTurnStrategies(
        start=[TranscriptionUserTurnStartStrategy(use_interim=False)],
        stop=[TranscriptionUserTurnStopStrategy(0.6)],
    )
    script = await Script(strategies).open()
    await script.see(interim("he"))
    assert script.said() == []
    await script.see(words("hello"))
    await script.advance(0.5)
    await script.see(words("there"))
    await script.advance(0.5)
    assert script.said() == ["begins"]
    await script.advance(0.1)
    assert script.said() == ["begins", "ends"]


async def test_while_the_bot_speaks_it_takes_so_many_words_to_begin_a_turn() -> None:
    strategies = UserTurnStrategies(start=[MinWordsUserTurnStartStrategy(3)])
    script = await Script(strategies).open()
    await script.see(BotStartedSpeakingFrame(), began(), interim("uh-huh"), paused(), words("okay"))
    await script.advance(5.0)
    assert script.said() == []
    await script.see(began(), interim("wait a"))
    assert script.said() == []
    await script.see(interim("wait a moment"))
    assert script.said() == ["begins"]


async def test_whoever_speaks_on_when_the_bot_has_finished_has_their_turn() -> None:
    strategies = UserTurnStrategies(start=[MinWordsUserTurnStartStrategy(3)])
    script = await Script(strategies).open()
    await script.see(BotStartedSpeakingFrame(), began())
    assert script.said() == []
    await script.see(BotStoppedSpeakingFrame())
    assert script.said() == ["begins"]
    await script.see(paused())
    await script.advance(1.0)
    await script.see(began())
    assert script.said() == ["begins", "ends", "begins"]


@pytest.mark.parametrize(
    ("sound", "text", "silence_secs"),
    [
        (0.9, None, 0.3),
        (0.1, None, 1.5),
        (0.9, 0.9, 0.3),
        (0.1, 0.9, 0.8),
        (0.9, 0.0, 1.5),
        (0.1, 0.0, 1.5),
    ],
)
async def test_the_silence_is_as_long_as_the_turn_seems_unfinished(
    sound: float, text: float | None, silence_secs: float
) -> None:
    script, _ = await by_judgement(sound, text)
    await script.see(began(), paused(), interim("what is"))
    await script.advance(silence_secs - 0.2 - 0.01)
    assert script.said() == ["begins"]
    await script.advance(0.01)
    assert script.said() == ["begins", "ends"]


async def test_the_end_is_expected_when_the_words_are_complete() -> None:
    script, _ = await by_judgement(0.1, 0.9)
    await script.see(began(), paused(), interim("what is the time"))
    assert script.log[-1] == ("expected", 0.0)


async def test_a_judgement_that_comes_after_the_caller_has_gone_on_is_of_no_use() -> None:
    script, judge = await by_judgement(0.9)
    judge.may_answer.clear()
    await script.see(began(), paused())
    await script.advance(0.3)
    await script.see(began())
    judge.may_answer.set()
    await script.settle()
    await script.advance(5.0)
    assert script.said() == ["begins"]


async def test_a_slow_judgement_ends_the_turn_at_once_when_it_comes() -> None:
    script, judge = await by_judgement(0.9)
    judge.may_answer.clear()
    await script.see(began(), paused())
    await script.advance(0.5)
    judge.may_answer.set()
    await script.settle()
    assert script.log[-1] == ("ends", 0.5)


async def test_a_judge_that_fails_costs_time_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script, _ = await by_judgement(-1.0)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            await script.see(began(), paused())
            await script.advance(1.3)
    assert script.said() == ["begins", "ends"] * 2
    assert len(caplog.records) == 1


async def test_the_judge_hears_the_last_seconds_and_has_been_loaded() -> None:
    script, judge = await by_judgement(0.9)
    assert judge.is_ready
    for _ in range(100):
        script.turns.see(InputAudioRawFrame(bytes(3200), 16000, 1))
    await script.see(began(), paused())
    (pcm,) = judge.asked
    assert isinstance(pcm, bytes)
    assert len(pcm) == 8 * 32_000
    await script.turns.close()
    assert not judge.is_ready


async def test_nothing_of_a_caller_who_has_left_is_decided_later() -> None:
    script = await Script(UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()])).open()
    await script.see(began(), paused(), ClientDisconnectedFrame())
    assert script.said() == ["begins", "ends"]
    await script.advance(5.0)
    assert script.said() == ["begins", "ends"]
    assert script.clock.num_timers == 0
