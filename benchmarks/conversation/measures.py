"""What is measured. Each function returns its figures."""

import asyncio
import bisect
import random
import re
import statistics

from benchmarks.conversation.alignment import word_ends_secs
from benchmarks.conversation.bots import (
    FIRST_AUDIO_SECS,
    FIRST_TOKEN_SECS,
    STORY,
    STT_SECS,
    params,
    storyteller,
)
from benchmarks.conversation.processes import Moment, pairs, voicewire_bot
from benchmarks.conversation.spread import Figures, spread
from benchmarks.conversation.voices import recordings
from benchmarks.side_by_side.machine import CALLERS_CORE, SERVER_CORE, pinned
from voicewire.context import LLMContext
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.services.local.whisper import WhisperEngine
from voicewire.sessions import SessionTransport, VoiceServer
from voicewire.testing import SimulatedCaller
from voicewire.testing.caller import MICROPHONE_RATE
from voicewire.vad import VADParams

SERVICES_SECS = STT_SECS + FIRST_TOKEN_SECS + FIRST_AUDIO_SECS


async def added_delay(*, callers: int = 50, turns: int = 12) -> Figures:
    """From VAD's end of speech to the first audio, less the services' own delays."""
    speech = recordings()["sense_0880.wav"]
    moments: list[Moment] = []

    async def talk(url: str, number: int) -> None:
        await asyncio.sleep(number * 6.0 / callers)
        async with SimulatedCaller(url) as caller:
            for _ in range(turns):
                await caller.say(speech + bytes(round(2.5 * MICROPHONE_RATE) * 2))

    async with voicewire_bot("simulated", moments, core=SERVER_CORE) as url:
        with pinned(CALLERS_CORE):
            await asyncio.gather(*(talk(url, number) for number in range(callers)))
    added = [
        1000 * (first_audio - stopped - SERVICES_SECS)
        for stopped, first_audio in pairs(moments, "VADUserStoppedSpeakingFrame")
    ]
    return {"callers": callers, "added_ms": spread(added)}


async def barge_in(*, interruptions: int = 30) -> Figures:
    """From the caller's first sample of speech to the bot's last at the socket."""
    speech = recordings()["sense_0880.wav"]
    onset_secs = _onset_secs(speech)
    delays: list[float] = []
    moments: list[Moment] = []
    async with voicewire_bot("storyteller", moments) as url:
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
        "onset_to_silence_ms": spread([1000 * each for each in delays]),
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


def _onset_secs(pcm: bytes) -> float:
    """Return when the first sample of speech comes."""
    samples = memoryview(pcm).cast("h")
    loud = max(abs(each) for each in samples) * 0.05
    return next(i for i, each in enumerate(samples) if abs(each) > loud) / MICROPHONE_RATE
