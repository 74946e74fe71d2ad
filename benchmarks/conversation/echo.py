"""The bot's own voice, fed back through a real room, for ten minutes; and callers over it."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.conversation.bots import STOP_SECS, STORY
from benchmarks.conversation.voices import QUESTIONS, RECORDINGS
from voicewire.audio.pcm import from_float, parse_wav, to_float
from voicewire.audio.resample import StreamNormalizer
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.testing import VirtualClock
from voicewire.transports.echo_guard import EchoGuard
from voicewire.vad import SileroVADAnalyzer, VADEvent, VADParams

RATE = 16000
CHUNK = RATE // 50
ECHO_DB = -20.0
WAY_SECS = 0.1
"""Of the network, there and back, beyond the client's buffer; the room adds its own."""

CALLERS_EVERY_SECS = 10.0
IN_TIME_SECS = 1.0

Samples = NDArray[np.float32]


async def echo(room_file: Path | None, *, minutes: float = 10.0) -> dict[str, Any]:
    """Return how often the bot interrupts itself, guarded and not, and how late callers are heard.

    Args:
        room_file: A room's impulse response, a WAV; None is one that is made: noise that fades by
            60 dB in 0.6 s.
        minutes: Of the bot's voice.
    """
    bot = await _voice(round(minutes * 60 * RATE))
    room = _recorded_room(room_file) if room_file is not None else _made_room()
    came_back = _convolve(bot, room) * 10 ** (ECHO_DB / 20)
    late = round(WAY_SECS * RATE)
    microphone = np.random.default_rng(0).standard_normal(len(bot)).astype(np.float32) * 1e-4
    microphone[late:] += came_back[: len(bot) - late]
    unguarded, guarded = await _begins(bot, microphone)
    called, calls = microphone.copy(), []
    pcm, sample_rate, num_channels = parse_wav((RECORDINGS / "sense_0880.wav").read_bytes())
    caller = to_float(StreamNormalizer(RATE, 1).process(pcm, sample_rate, num_channels))
    for start in range(8 * RATE, len(bot) - len(caller), round(CALLERS_EVERY_SECS * RATE)):
        called[start : start + len(caller)] += caller
        calls.append(start / RATE)
    _, heard = await _begins(bot, called)
    delays = [next((at - call for at in heard if at > call), np.inf) for call in calls]
    in_time = [each for each in delays if each <= IN_TIME_SECS]
    return {
        "minutes": minutes,
        "room": room_file.name if room_file is not None else "made",
        "false_interruptions": len(guarded),
        "false_interruptions_unguarded": len(unguarded),
        "callers": len(calls),
        "callers_heard_in_1_s": len(in_time),
        "callers_heard_after_ms_p50": round(1000 * float(np.median(delays))),
    }


async def _begins(bot: Samples, microphone: Samples) -> tuple[list[float], list[float]]:
    """Return when speech begins, by VAD alone and by the guard."""
    clock = VirtualClock()
    at_secs = 0.0
    alone: list[float] = []
    guarded: list[float] = []

    def pass_on(event: VADEvent) -> None:
        if event is VADEvent.STARTED:
            alone.append(at_secs)
        guard.on_vad_event(event)

    def note(event: VADEvent) -> None:
        if event is VADEvent.STARTED:
            guarded.append(at_secs)

    guard = EchoGuard(note, clock)
    analyzer = SileroVADAnalyzer(params=VADParams(stop_secs=STOP_SECS))
    stream = analyzer.open(RATE, pass_on, clock)
    for start in range(0, len(bot) - CHUNK, CHUNK):
        at_secs = (start + CHUNK) / RATE
        played = from_float(bot[start : start + CHUNK])
        heard = from_float(microphone[start : start + CHUNK])
        guard.played(played, RATE, 1, begins_at=clock.now())
        clock.advance(CHUNK / RATE)
        guard.heard(heard, RATE)
        stream.feed(heard)
        while stream._submitted:  # noqa: ASYNC110 - the engine's thread tells the stream alone
            await asyncio.sleep(0)
    stream.close()
    return alone, guarded


async def _voice(num_samples: int) -> Samples:
    parts: list[Samples] = []
    engine = HibariEngine.shared()
    normalizer = StreamNormalizer(RATE, 1)
    sentences = [f"{each.strip()}." for each in STORY.split(".") if each.strip()]
    while sum(map(len, parts)) < num_samples:
        for sentence in (*sentences, *QUESTIONS):
            pcm = b"".join([piece async for piece in engine.speak(sentence)])
            parts.append(to_float(normalizer.process(pcm, VOICE_SAMPLE_RATE, 1)))
    return np.concatenate(parts)[:num_samples]


def _recorded_room(path: Path) -> Samples:
    with wave.open(str(path)) as recording:
        pcm = recording.readframes(recording.getnframes())
        room = to_float(
            StreamNormalizer(RATE, 1).process(
                pcm, recording.getframerate(), recording.getnchannels()
            )
        )
    return room / np.sqrt(np.square(room).sum())


def _made_room() -> Samples:
    length = round(0.6 * RATE)
    room = np.random.default_rng(7).standard_normal(length) * 10 ** (
        -3 * np.arange(length) / length
    )
    room[0] = 10.0
    return (room / np.sqrt(np.square(room).sum())).astype(np.float32)


def _convolve(signal: Samples, room: Samples) -> Samples:
    length = 1 << (len(signal) + len(room)).bit_length()
    spectrum = np.fft.rfft(signal, length) * np.fft.rfft(room, length)
    return np.fft.irfft(spectrum, length)[: len(signal)].astype(np.float32)
