"""The bot's own voice, and a caller over it, as Silero hears them."""

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio.test_echo import room, voice
from voicewire.audio.echo import SAMPLE_RATE
from voicewire.audio.pcm import from_float
from voicewire.testing import VirtualClock
from voicewire.transports.echo_guard import EchoGuard
from voicewire.vad import SileroVADAnalyzer, VADEvent, VADParams
from voicewire.vad.stream import VADStream

CHUNK = SAMPLE_RATE // 50
DELAY = SAMPLE_RATE // 10


class Line:
    """A microphone beside a loudspeaker."""

    def __init__(self, bot: NDArray[np.float32]) -> None:
        self.clock = VirtualClock()
        self.began: list[float] = []
        self.events: list[VADEvent] = []
        self.guard = EchoGuard(self._note, self.clock)
        self.bot = bot
        echo = np.convolve(bot, room())[: len(bot) - DELAY] * 0.1
        noise = np.random.default_rng(0).standard_normal(len(bot)) * 1e-4
        self.microphone = noise.astype(np.float32)
        self.microphone[DELAY:] += echo.astype(np.float32)
        self._at = 0.0

    def say(self, caller: NDArray[np.float32], *, at_secs: float) -> None:
        start = round(at_secs * SAMPLE_RATE)
        self.microphone[start : start + len(caller)] += caller[: len(self.bot) - start]

    async def run(self, *, guarded: bool = True) -> None:
        analyzer = SileroVADAnalyzer(params=VADParams(stop_secs=0.2))
        listener = self.guard.on_vad_event if guarded else self._note
        stream = analyzer.open(SAMPLE_RATE, listener, self.clock)
        for start in range(0, len(self.bot) - CHUNK, CHUNK):
            end = start + CHUNK
            self._at = end / SAMPLE_RATE
            self.guard.played(
                from_float(self.bot[start:end]), SAMPLE_RATE, 1, begins_at=self.clock.now()
            )
            self.clock.advance(0.02)
            pcm = from_float(self.microphone[start:end])
            self.guard.heard(pcm, SAMPLE_RATE)
            stream.feed(pcm)
            await judged(stream)
        stream.close()

    def _note(self, event: VADEvent) -> None:
        if event is not VADEvent.STARTING:
            self.events.append(event)
        if event is VADEvent.STARTED:
            self.began.append(self._at)


async def judged(stream: VADStream) -> None:
    """Return when the engine has answered for all that it was given."""
    while stream._submitted:  # noqa: ASYNC110 - the engine's thread tells nobody but the stream
        await asyncio.sleep(0)


@pytest.fixture
def anyio_backend() -> Any:
    """The loop only waits for the engine here: one of the two is enough."""
    return ("asyncio", {"use_uvloop": True})


def bots_voice() -> NDArray[np.float32]:
    pause = np.zeros(SAMPLE_RATE, np.float32)
    names = ("sense_0890.wav", "sense_0880.wav")
    return np.concatenate([part for name in names for part in (voice(name), pause)])


@pytest.mark.anyio
async def test_the_bots_own_voice_does_not_interrupt_it() -> None:
    unguarded = Line(bots_voice())
    await unguarded.run(guarded=False)
    assert len(unguarded.began) > 1, "or else nothing is shown below"
    line = Line(bots_voice())
    await line.run()
    assert line.events == []
    assert line.guard.num_echoes > 1


@pytest.mark.anyio
async def test_a_caller_who_speaks_over_it_is_let_through() -> None:
    line = Line(bots_voice())
    line.say(voice("sense_0880.wav"), at_secs=4.3)
    await line.run()
    assert len(line.began) == 1
    assert 4.3 <= line.began[0] <= 4.3 + 1.2
    assert line.events[1] is VADEvent.STOPPED


@pytest.mark.anyio
async def test_a_caller_is_heard_at_once_while_the_bot_is_silent() -> None:
    silent = Line(np.zeros(4 * SAMPLE_RATE, np.float32))
    silent.say(voice("sense_0880.wav"), at_secs=0.5)
    await silent.run()
    assert len(silent.began) >= 1
    assert silent.began[0] <= 1.2
    assert silent.guard.num_echoes == 0
