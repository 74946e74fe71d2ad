"""What is measured. Each function returns its figures."""

import asyncio
import bisect
import json
import random
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.conversation.alignment import word_ends_secs
from benchmarks.conversation.bots import (
    FIRST_AUDIO_SECS,
    FIRST_TOKEN_SECS,
    STOP_SECS,
    STORY,
    STT_SECS,
    params,
    storyteller,
)
from benchmarks.conversation.voices import questions, recordings
from benchmarks.side_by_side.machine import CALLERS_CORE, SERVER_CORE, pinned
from voicewire.context import LLMContext
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.services.local.whisper import WhisperEngine
from voicewire.sessions import SessionTransport, VoiceServer
from voicewire.testing import SimulatedCaller
from voicewire.testing.caller import MICROPHONE_RATE
from voicewire.vad import SileroVADAnalyzer, VADEvent, VADParams

SERVICES_SECS = STT_SECS + FIRST_TOKEN_SECS + FIRST_AUDIO_SECS

Figures = dict[str, Any]
Moment = tuple[str, str, float]


class BotProcess:
    """A bot in a process of its own, and what it has noted when it ends."""

    def __init__(self, kind: str, *, core: int | None = None) -> None:
        command = [sys.executable, "-m", "benchmarks.conversation.bots", kind]
        if core is None:
            self._process = self._start(command)
        else:
            with pinned(core):
                self._process = self._start(command)
        assert self._process.stdout is not None
        while not (line := self._process.stdout.readline()).startswith('"'):
            assert line, "the bot has not started"
        self.url: str = json.loads(line)

    def end(self) -> list[Moment]:
        """End it; return its moments, session by session."""
        out, _ = self._process.communicate()
        return [tuple(json.loads(line)) for line in out.splitlines() if line.startswith("[")]

    @staticmethod
    def _start(command: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@asynccontextmanager
async def bot_process(
    kind: str, moments: list[Moment], *, core: int | None = None
) -> AsyncIterator[str]:
    process = await asyncio.to_thread(BotProcess, kind, core=core)
    try:
        yield process.url
    finally:
        moments += await asyncio.to_thread(process.end)


async def added_delay(*, callers: int = 50, turns: int = 12) -> Figures:
    """From VAD's end of speech to the first audio, less the services' own delays."""
    speech = recordings()["sense_0880.wav"]
    moments: list[Moment] = []

    async def talk(url: str, number: int) -> None:
        await asyncio.sleep(number * 6.0 / callers)
        async with SimulatedCaller(url) as caller:
            for _ in range(turns):
                await caller.say(speech + bytes(round(2.5 * MICROPHONE_RATE) * 2))

    async with bot_process("simulated", moments, core=SERVER_CORE) as url:
        with pinned(CALLERS_CORE):
            await asyncio.gather(*(talk(url, number) for number in range(callers)))
    added = [
        1000 * (first_audio - stopped - SERVICES_SECS)
        for stopped, first_audio in _pairs(moments, "VADUserStoppedSpeakingFrame")
    ]
    return {"callers": callers, "added_ms": _spread(added)}


async def embedded_answers(*, rounds: int = 3) -> Figures:
    """How soon the embedded bot answers one caller, and whether it cuts in."""
    real = recordings()
    asked = {**real, **await questions()}
    pauses = {name: await _pauses(pcm) for name, pcm in real.items()}
    moments: list[Moment] = []
    felt: dict[str, list[float]] = defaultdict(list)
    cut_ins = 0
    async with bot_process("embedded", moments) as url:
        for _ in range(rounds):
            for name, pcm in asked.items():
                async with SimulatedCaller(url) as caller:
                    greeted = await caller.wait_for("bot-stopped-speaking")
                    await asyncio.sleep(0.5)
                    said_at = await caller.say(pcm)
                    begun = await caller.wait_for("bot-started-speaking", after=greeted.at_secs)
                    while begun.at_secs < said_at:
                        cut_ins += 1
                        begun = await caller.wait_for("bot-started-speaking", after=begun.at_secs)
                    first_audio_at = await caller.wait_for_audio(after=begun.at_secs - 0.1)
                    felt[name].append(first_audio_at - said_at)
                    await asyncio.sleep(0.3)
    decided = [after - before for before, after in _pairs(moments, "UserStoppedSpeakingFrame")]
    return {
        "decided_to_audio_ms": _spread([1000 * each for each in decided]),
        "said_to_audio_ms": _spread([1000 * each for all_ in felt.values() for each in all_]),
        "said_to_audio_ms_by_phrase": {
            name: round(1000 * statistics.median(each)) for name, each in felt.items()
        },
        "pauses": rounds * sum(pauses.values()),
        "cut_ins": cut_ins,
    }


async def barge_in(*, interruptions: int = 30) -> Figures:
    """From the caller's first sample of speech to the bot's last at the socket."""
    speech = recordings()["sense_0880.wav"]
    onset_secs = _onset_secs(speech)
    delays: list[float] = []
    moments: list[Moment] = []
    async with bot_process("storyteller", moments) as url:
        for _ in range(interruptions):
            async with SimulatedCaller(url) as caller:
                await caller.wait_for("bot-started-speaking")
                await asyncio.sleep(random.uniform(0.5, 2.5))
                began_at = caller.now()
                caller.start_saying(speech)
                await caller.wait_for("vw-flush", after=began_at)
                await asyncio.sleep(0.2)
                delays.append(caller.audio_at[-1] - began_at - onset_secs)
    return {
        "start_secs": VADParams().start_secs,
        "onset_to_silence_ms": _spread([1000 * each for each in delays]),
    }


async def memory(*, interruptions: int = 200, can_flush: bool, at_once: int = 8) -> Figures:
    """How many words the bot remembers that were not heard, and forgets that were."""
    await asyncio.gather(HibariEngine.shared().ready(), WhisperEngine.shared().ready())
    ends = await _ends_of_words()
    kept: list[int] = []
    contexts: dict[str, LLMContext] = {}

    async def bot(transport: SessionTransport) -> None:
        contexts[transport.client.id] = context = LLMContext()
        await storyteller(transport, context)

    server = VoiceServer(bot, host="127.0.0.1", port=0, params=params())
    await server.start()
    free = asyncio.Semaphore(at_once)
    rng = random.Random(1)

    async def interrupt(after_secs: float) -> None:
        async with free, SimulatedCaller(server.url, can_flush=can_flush) as caller:
            begun = await caller.wait_for("bot-started-speaking")
            await asyncio.sleep(after_secs)
            await caller.ask("stop")
            await caller.wait_for("bot-stopped-speaking", after=begun.at_secs)
            await asyncio.sleep(1.0)  # What the client has is played, or dropped and told.
            answer = await caller.ask("memory")
            remembered = sum(len(str(m["content"]).split()) for m in answer)
        played_secs = sum(map(len, caller.played)) / 2 / caller.sample_rate
        kept.append(remembered - bisect.bisect_right(ends, played_secs))

    try:
        await asyncio.gather(*(interrupt(rng.uniform(0.2, 9.0)) for _ in range(interruptions)))
    finally:
        await server.stop()
    return {
        "interruptions": len(kept),
        "words_kept_unheard_mean": round(statistics.mean(max(0, each) for each in kept), 2),
        "words_kept_unheard_max": max(kept),
        "words_lost_mean": round(statistics.mean(max(0, -each) for each in kept), 2),
        "words_lost_max": -min(kept),
    }


async def _ends_of_words() -> list[float]:
    """Return where in the story's audio half of each word has been said."""
    middles: list[float] = []
    begins_at = 0.0
    for sentence in re.findall(r"[^.]+\.", STORY):
        pcm = b"".join([p async for p in HibariEngine.shared().speak(sentence.strip())])
        ends = word_ends_secs(pcm, VOICE_SAMPLE_RATE)
        assert len(ends) == len(sentence.split()), "another story is needed: this one is misheard"
        starts = [0.0, *ends[:-1]]
        middles += [begins_at + (a + b) / 2 for a, b in zip(starts, ends, strict=True)]
        begins_at += len(pcm) / 2 / VOICE_SAMPLE_RATE
    return middles


async def _pauses(pcm: bytes) -> int:
    """Return how often VAD hears speech end and go on."""
    stopped = 0
    done = asyncio.Event()

    def note(event: VADEvent) -> None:
        nonlocal stopped
        stopped += event is VADEvent.STOPPED

    from voicewire.clock import MonotonicClock

    analyzer = SileroVADAnalyzer(params=VADParams(stop_secs=STOP_SECS))
    stream = analyzer.open(MICROPHONE_RATE, note, MonotonicClock())
    whole = pcm + bytes(MICROPHONE_RATE * 2)
    for at in range(0, len(whole), 1024):
        stream.feed(whole[at : at + 1024])
        await asyncio.sleep(0.003)
    stream.close()
    done.set()
    return max(0, stopped - 1)


def _onset_secs(pcm: bytes) -> float:
    """Return when the first sample of speech comes."""
    samples = memoryview(pcm).cast("h")
    loud = max(abs(each) for each in samples) * 0.05
    return next(i for i, each in enumerate(samples) if abs(each) > loud) / MICROPHONE_RATE


def _pairs(moments: Sequence[Moment], begins: str) -> list[tuple[float, float]]:
    """Return when each turn ended that was answered, and when the answer's first audio went out."""
    last: dict[str, float] = {}
    pairs = []
    for client, kind, at in moments:
        if kind == begins:
            last[client] = at
        elif kind == "BotStartedSpeakingFrame" and client in last:
            pairs.append((last.pop(client), at))
    return pairs


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
        "max": round(ordered[-1], 1),
        "count": len(ordered),
    }
