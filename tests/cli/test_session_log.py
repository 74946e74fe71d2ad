"""What `voicewire serve` tells of a session."""

import re
from collections.abc import AsyncGenerator

import pytest

from tests.transports.client import Caller, Recorder, Served, eventually, serving, speech
from voicewire.cli.session_log import SessionLog
from voicewire.clock import MonotonicClock
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, Processor
from voicewire.pipeline.hooks import PushHooks
from voicewire.services.stt import SegmentedSTTService
from voicewire.services.tts import TTSService
from voicewire.testing import VirtualClock
from voicewire.transports import WebsocketServerTransport
from voicewire.vad import SileroVADAnalyzer


class Watched:
    """A transport in virtual time, with what the log says of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.lines: list[str] = []
        self.transport = WebsocketServerTransport(port=0)
        SessionLog(self.transport, say=self.lines.append, clock=self.clock)
        hooks = PushHooks()
        self.transport.let_watch(hooks)
        self._hook = hooks.tell

    def from_input(self, *frames: Frame) -> None:
        for frame in frames:
            self._push(self.transport.input(), frame, FrameDirection.DOWNSTREAM)

    def from_output(self, *frames: Frame) -> None:
        for frame in frames:
            self._push(self.transport.output(), frame, FrameDirection.DOWNSTREAM)

    def _push(self, source: Processor, frame: Frame, direction: FrameDirection) -> None:
        assert self._hook is not None
        self._hook(source, Recorder(), frame, direction)


def test_a_turn_is_told_with_the_time_from_the_last_word_to_the_first_audio() -> None:
    watched = Watched()
    watched.from_input(UserStartedSpeakingFrame())
    watched.clock.advance(2.8)
    watched.from_input(VADUserStoppedSpeakingFrame(stop_secs=0.8), UserStoppedSpeakingFrame())
    watched.clock.advance(0.25)
    watched.from_output(
        TranscriptionFrame("What is the time?", "", ""),
        LLMFullResponseStartFrame(),
        BotStartedSpeakingFrame(),
    )
    watched.from_output(BotStoppedSpeakingFrame(played_secs=1.5))
    assert watched.lines == [
        "caller started speaking",
        "caller stopped speaking, after 2.8 s",
        "transcript: 4 words, 17 characters",
        "answer begins",
        "bot started speaking, 1050 ms after the caller's last word",
        "bot stopped speaking, after 1.5 s",
    ]


def test_a_greeting_has_no_last_word_to_count_from() -> None:
    watched = Watched()
    watched.from_output(BotStartedSpeakingFrame())
    assert watched.lines == ["bot started speaking"]


def test_an_interruption_is_told() -> None:
    watched = Watched()
    watched.from_output(BotStoppedSpeakingFrame(interrupted=True, played_secs=0.7))
    assert watched.lines == ["bot was interrupted, after 0.7 s"]


def test_a_frame_that_passes_both_ends_is_told_once() -> None:
    watched = Watched()
    watched.from_input(UserStartedSpeakingFrame())
    watched.from_output(UserStartedSpeakingFrame(), InputAudioRawFrame(b"\0\0", 16000, 1))
    assert watched.lines == ["caller started speaking"]


class CannedSTT(SegmentedSTTService):
    """Hears the same in everything."""

    async def transcribe(self, pcm: bytes) -> str:
        return "a secret that was said"


class CannedTTS(TTSService):
    """Says everything as 0.4 s of silence."""

    def __init__(self) -> None:
        super().__init__(sample_rate=16000)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, TranscriptionFrame):
            self.push(frame)
            await self._say(frame.text)
        else:
            await super().process_frame(frame, direction)

    async def run_tts(self, text: str) -> AsyncGenerator[bytes, None]:
        yield bytes(2 * 6400)


@pytest.mark.anyio
async def test_a_session_over_a_real_socket_is_told_without_what_was_said() -> None:
    lines: list[str] = []

    def watch(served: Served) -> None:
        SessionLog(served.transport, say=lines.append, clock=MonotonicClock())

    pcm, rate, _ = speech("sense_0880")
    async with serving(
        CannedSTT(), CannedTTS(), prepare=watch, vad_analyzer=SileroVADAnalyzer()
    ) as served:
        async with Caller(served.url) as caller:
            await caller.send(b"nonsense")
            await caller.speak(pcm + bytes(2 * rate), sample_rate=rate)
            await eventually(lambda: any("bot stopped" in line for line in lines))
        await eventually(lambda: any("disconnected" in line for line in lines))

    patterns = [
        r"client connected: \w+, from 127\.0\.0\.1:\d+, path '/'",
        r"caller started speaking",
        r"caller stopped speaking, after \d\.\d s",
        r"transcript: 5 words, 22 characters",
        r"bot started speaking, \d+ ms after the caller's last word",
        r"bot stopped speaking, after 0\.4 s",
        r"client disconnected: \w+, after \d+\.\d s; messages: \d+ received, 1 refused, \d+ sent",
    ]
    assert len(lines) == len(patterns), lines
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(pattern, line), line
