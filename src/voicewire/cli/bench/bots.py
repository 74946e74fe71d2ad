"""The bots of a server of our own: as little as a bot can do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from voicewire.cli.bench.plan import SAMPLE_RATE
from voicewire.cli.bench.speech import load_phrases
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, Pipeline, PipelineRunner, PipelineTask
from voicewire.pipeline.processor import InlineProcessor
from voicewire.transports import BaseTransport

ANSWER_SECS = 8.0
"""Longer than any caller listens."""

USER_STARTED_SPEAKING = {"label": "rtvi-ai", "type": "user-started-speaking"}
"""As the RTVI standard puts it, which Pipecat's clients understand."""


class Echo(InlineProcessor):
    """Says what it hears."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        self.push(frame, direction)


class SpeechAnnouncer(InlineProcessor):
    """Tells the client when it has been heard to speak."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, UserStartedSpeakingFrame):
            self.push(OutputTransportMessageUrgentFrame(USER_STARTED_SPEAKING))
        self.push(frame, direction)


class Answerer(InlineProcessor):
    """Answers all that is said with `ANSWER_SECS` of speech, at once as text-to-speech does."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            return
        self.push(frame, direction)
        if isinstance(frame, UserStoppedSpeakingFrame):
            self.push(OutputAudioRawFrame(_answer(), SAMPLE_RATE, 1))


async def echo(transport: BaseTransport) -> None:
    await _run(transport, Echo())


async def vad_echo(transport: BaseTransport) -> None:
    await _run(transport, SpeechAnnouncer(), Echo())


async def answer(transport: BaseTransport) -> None:
    await _run(transport, SpeechAnnouncer(), Answerer())


@dataclass(frozen=True, slots=True)
class BuiltInBot:
    """A bot, and whether its transport needs voice activity detection."""

    bot: Callable[[BaseTransport], Awaitable[None]]
    needs_vad: bool


BOTS = {
    "echo": BuiltInBot(echo, needs_vad=False),
    "vad-echo": BuiltInBot(vad_echo, needs_vad=True),
    "answer": BuiltInBot(answer, needs_vad=True),
}
"""By the name that `--bot` takes."""


async def _run(transport: BaseTransport, *processors: InlineProcessor) -> None:
    pipeline = Pipeline([transport.input(), *processors, transport.output()])
    await PipelineRunner().run(PipelineTask(pipeline))


@cache
def _answer() -> bytes:
    speech = b"".join(phrase.pcm for phrase in load_phrases(None))
    return speech[: 2 * round(ANSWER_SECS * SAMPLE_RATE)]
