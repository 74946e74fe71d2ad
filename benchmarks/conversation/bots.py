"""The bots that are measured, in a process of their own: it writes down what happens and when.

python -m benchmarks.conversation.bots KIND
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator

from voicewire.bots import embedded
from voicewire.context import LLMContext
from voicewire.frames import (
    BotStartedSpeakingFrame,
    Frame,
    LLMRunFrame,
    RTVIClientMessageFrame,
    UserStoppedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
    WordTime,
)
from voicewire.pipeline import FrameDirection, Pipeline, PipelineRunner, PipelineTask, Processor
from voicewire.processors import LLMContextAggregatorPair, LLMUserAggregatorParams
from voicewire.rtvi import RTVI
from voicewire.services.llm import LLMService
from voicewire.services.local.tts import HibariTTSService
from voicewire.services.stt import SegmentedSTTService
from voicewire.services.tts import TTSService
from voicewire.sessions import SessionTransport, VoiceServer
from voicewire.transports import ClientConnection, WebsocketServerParams
from voicewire.turns import SpeechTimeoutUserTurnStopStrategy, UserTurnStrategies
from voicewire.vad import SileroVADAnalyzer, VADParams

STT_SECS, FIRST_TOKEN_SECS, FIRST_AUDIO_SECS = 0.15, 0.25, 0.1
"""What the simulated services take."""

STOP_SECS = 0.2

STORY = (
    "Once upon a time an old fisherman lived in a small house by the sea. "
    "Every morning he went out in his little boat to catch some fish. "
    "One evening he found a golden fish in his net. "
    "It promised him three wishes if he would let it go. "
    "The fisherman thought about it for a long time. "
    "In the end he asked for nothing at all and went home."
)

_NOTED: tuple[type[Frame], ...] = (
    VADUserStoppedSpeakingFrame,
    UserStoppedSpeakingFrame,
    BotStartedSpeakingFrame,
)


class SimulatedSTT(SegmentedSTTService):
    """Takes as long as it is told to hear always the same."""

    async def transcribe(self, pcm: bytes) -> str:
        await asyncio.sleep(STT_SECS)
        return "hello there"


class SimulatedLLM(LLMService):
    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        await asyncio.sleep(FIRST_TOKEN_SECS)
        yield "Hello to you. "


class SimulatedTTS(TTSService):
    def __init__(self) -> None:
        super().__init__(sample_rate=24000)

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        await asyncio.sleep(FIRST_AUDIO_SECS)
        yield bytes(24000)


class Storyteller(LLMService):
    """Tells always the same, whatever is said."""

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        for word in STORY.split():
            yield f"{word} "


def params() -> WebsocketServerParams:
    return WebsocketServerParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=STOP_SECS)),
    )


async def simulated(transport: SessionTransport) -> None:
    """Answer by services of stated delays."""
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            user_turn_strategies=UserTurnStrategies(
                stop=[SpeechTimeoutUserTurnStopStrategy(STOP_SECS)]
            )
        ),
    )
    steps = [SimulatedSTT(interim_secs=None), user, SimulatedLLM(), SimulatedTTS()]
    await _run(transport, [*steps, transport.output(), assistant])


async def storyteller(transport: SessionTransport, context: LLMContext | None = None) -> None:
    """Begin to tell as soon as somebody calls; stop, and say what is remembered, when asked to."""
    context = context or LLMContext()
    user, assistant = LLMContextAggregatorPair(context)
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                user,
                Storyteller(),
                HibariTTSService(),
                transport.output(),
                assistant,
            ]
        )
    )

    @transport.event_handler("on_client_connected")
    async def begin(transport: SessionTransport, client: ClientConnection) -> None:
        await task.queue_frame(LLMRunFrame())

    @transport.rtvi.event_handler("on_client_message")
    async def do(rtvi: RTVI, message: RTVIClientMessageFrame) -> None:
        if message.type == "stop":
            await rtvi.interrupt_bot()
        await rtvi.send_server_response(message, list(context.messages))

    await PipelineRunner().run(task)


async def _run(transport: SessionTransport, steps: list[Processor]) -> None:
    await PipelineRunner().run(PipelineTask(Pipeline([transport.input(), *steps])))


BOTS = {"simulated": simulated, "storyteller": storyteller, "embedded": embedded.bot}


async def main(kind: str) -> None:
    """Serve until standard input ends; write the URL, then a line for each moment."""

    async def bot(transport: SessionTransport) -> None:
        def note(source: Processor, to: Processor, frame: Frame, direction: FrameDirection) -> None:
            if isinstance(frame, _NOTED) and direction is FrameDirection.DOWNSTREAM:
                if isinstance(frame, VADUserStoppedSpeakingFrame) and source is output:
                    return  # It was noted when it came in.
                moments.append((transport.client.id, type(frame).__name__, time.monotonic()))

        output = transport.output()
        transport.watch(note)
        await BOTS[kind](transport)

    moments: list[tuple[str, str, float]] = []

    server = VoiceServer(bot, host="127.0.0.1", port=0, params=params(), prepare=_prepare(kind))
    await server.start()
    print(json.dumps(server.url), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
    for moment in moments:  # At the end: nobody reads before, and a full pipe blocks the loop.
        print(json.dumps(moment), flush=True)


def _prepare(kind: str):  # type: ignore[no-untyped-def]
    async def prepare() -> None:
        from voicewire.cli.serve import _load_models

        if kind != "simulated":
            await _load_models()

    return prepare


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
