"""Our server with bots that do as little as a bot can do.

python -m benchmarks.bots.voicewire_bots BOT, where BOT is a key of `BOTS`.
"""

import sys

from benchmarks.bots.process import announce, prepare
from voicewire import (
    BaseTransport,
    ClientConnectedFrame,
    Frame,
    FrameDirection,
    FrameProcessor,
    InputAudioRawFrame,
    Limits,
    OutputAudioRawFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SileroVADAnalyzer,
    WebsocketServerParams,
)
from voicewire.pipeline import InlineProcessor, Processor
from voicewire.sessions import Bot, serve

SAMPLE_RATE = 16000
TELEPHONE_RATE = 8000
MAX_SESSIONS = 10_000
TALK_SECS = 30


class InlineEcho(InlineProcessor):
    """Says what it hears, on the stack of whoever pushed the frame."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        self.push(frame, direction)


class MailboxEcho(FrameProcessor):
    """Says what it hears, as users write processors: each microphone frame waits in its mailbox."""

    handles = (InputAudioRawFrame,)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        self.push(frame, direction)


class Talker(InlineProcessor):
    """Says `TALK_SECS` of speech to whoever comes, handed over at once as text-to-speech does."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, ClientConnectedFrame):
            speech = bytes(2 * SAMPLE_RATE * TALK_SECS)
            self.push(OutputAudioRawFrame(speech, SAMPLE_RATE, 1))


def bot_of(make_processor: type[Processor]) -> Bot:
    async def bot(transport: BaseTransport) -> None:
        pipeline = Pipeline([transport.input(), make_processor(), transport.output()])
        await PipelineRunner().run(PipelineTask(pipeline))

    return bot


async def answer(transport: BaseTransport) -> None:
    # Not at the top: only this bot has speech to load.
    from voicewire.cli.bench.bots import answer as answer_like_the_bench

    await answer_like_the_bench(transport)


BOTS: dict[str, tuple[Bot, bool]] = {
    "inline": (bot_of(InlineEcho), False),
    "mailbox": (bot_of(MailboxEcho), False),
    "vad": (bot_of(MailboxEcho), True),
    "talker": (bot_of(Talker), False),
    "answer": (answer, True),
    "telephone": (bot_of(MailboxEcho), False),
}
"""By name: the bot, and whether there is Silero's voice activity detection on each caller."""


def main(name: str) -> None:
    bot, has_vad = BOTS[name]
    params = WebsocketServerParams(
        audio_in_enabled=True,
        audio_in_sample_rate=TELEPHONE_RATE if name == "telephone" else SAMPLE_RATE,
        audio_out_enabled=True,
        audio_out_sample_rate=SAMPLE_RATE,
        vad_analyzer=SileroVADAnalyzer() if has_vad else None,
    )
    limits = Limits(max_sessions=MAX_SESSIONS)
    serve(bot, host="127.0.0.1", port=0, params=params, limits=limits, on_ready=announce)


if __name__ == "__main__":
    prepare()
    main(sys.argv[1])
