"""How soon the embedded bot answers one caller, beside Pipecat's with the same models."""

import asyncio
import statistics
from collections import defaultdict
from dataclasses import dataclass, field

from benchmarks.conversation.bots import STOP_SECS
from benchmarks.conversation.processes import Moment, pairs, pipecat_bot, voicewire_bot
from benchmarks.conversation.spread import Figures, spread
from benchmarks.conversation.voices import questions, recordings
from voicewire.clock import MonotonicClock
from voicewire.testing import SimulatedCaller
from voicewire.testing.caller import MICROPHONE_RATE
from voicewire.vad import SileroVADAnalyzer, VADEvent, VADParams


@dataclass
class _Answers:
    """What was noted of one bot."""

    moments: list[Moment] = field(default_factory=list)
    felt_secs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cut_ins: int = 0
    unanswered: int = 0


async def embedded_answers(*, rounds: int) -> Figures:
    """Ask both bots everything, round by round."""
    real = recordings()
    asked = {**real, **await questions()}
    pauses = sum([await _pauses(pcm) for pcm in real.values()])
    ours, theirs = _Answers(), _Answers()
    async with (
        voicewire_bot("embedded", ours.moments) as our_url,
        pipecat_bot(theirs.moments) as their_url,
    ):
        for _ in range(rounds):
            for url, answers in ((our_url, ours), (their_url, theirs)):
                for name, pcm in asked.items():
                    await _ask(url, name, pcm, answers)
    return {
        "voicewire": _figures(ours, rounds * pauses),
        "pipecat": _figures(theirs, rounds * pauses),
    }


async def _ask(url: str, name: str, pcm: bytes, answers: _Answers) -> None:
    # Pipecat does not know our extension of RTVI; neither is asked to use it.
    async with SimulatedCaller(url, can_flush=False) as caller:
        greeted = await caller.wait_for("bot-stopped-speaking")
        await asyncio.sleep(0.5)
        said_at = await caller.say(pcm)
        try:
            begun = await caller.wait_for("bot-started-speaking", after=greeted.at_secs)
            while begun.at_secs < said_at:
                answers.cut_ins += 1
                begun = await caller.wait_for("bot-started-speaking", after=begun.at_secs)
            first_audio_at = await caller.wait_for_audio(after=begun.at_secs - 0.1)
        except TimeoutError:
            answers.unanswered += 1
            return
        answers.felt_secs[name].append(first_audio_at - said_at)
        await asyncio.sleep(0.3)


def _figures(answers: _Answers, pauses: int) -> Figures:
    decided = pairs(answers.moments, "UserStoppedSpeakingFrame")
    felt = answers.felt_secs
    return {
        "decided_to_audio_ms": spread([1000 * (after - before) for before, after in decided]),
        "said_to_audio_ms": spread([1000 * each for all_ in felt.values() for each in all_]),
        "said_to_audio_ms_by_phrase": {
            name: round(1000 * statistics.median(each)) for name, each in felt.items()
        },
        "pauses": pauses,
        "cut_ins": answers.cut_ins,
        "unanswered": answers.unanswered,
    }


async def _pauses(pcm: bytes) -> int:
    """Return how often VAD hears speech end and go on."""
    stopped = 0

    def note(event: VADEvent) -> None:
        nonlocal stopped
        stopped += event is VADEvent.STOPPED

    analyzer = SileroVADAnalyzer(params=VADParams(stop_secs=STOP_SECS))
    stream = analyzer.open(MICROPHONE_RATE, note, MonotonicClock())
    whole = pcm + bytes(MICROPHONE_RATE * 2)
    for at in range(0, len(whole), 1024):
        stream.feed(whole[at : at + 1024])
        await asyncio.sleep(0.003)
    stream.close()
    return max(0, stopped - 1)
