"""A bot with the ears and the voice on this machine for clients of OpenAI's Realtime API."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from tests.conversations.stage import SHORT_STORY, STORY, rehearse, speech
from voicewire.audio.resample import StreamNormalizer
from voicewire.context import LLMContext
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.processors import LLMContextAggregatorPair, LLMUserAggregatorParams
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import LLMService
from voicewire.services.local.stt import WhisperSTTService
from voicewire.services.local.tts import HibariTTSService
from voicewire.sessions import SessionTransport, VoiceServer
from voicewire.testing.caller import MICROPHONE_RATE
from voicewire.transports import WebsocketServerParams
from voicewire.turns import SpeechTimeoutUserTurnStopStrategy, UserTurnStrategies
from voicewire.vad import SileroVADAnalyzer, VADParams

ASK_SHORT_STORY = "Tell me a short story."
ASK_STORY = "Tell me a story."
ASK_WEATHER = "What is the weather in Paris?"
STOP = "Please stop."

REALTIME_RATE = 24000

WEATHER_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


class Actor(LLMService):
    """Says its lines, and asks the client for the weather."""

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        last = context.messages[-1]
        text = str(last["content"]).lower()
        if last["role"] == "tool":
            yield f"The service says: {text}."
        elif "weather" in text:
            assert context.tools.get("get_weather") is not None
            yield ToolCall("call_1", "get_weather", '{"city": "Paris"}')
        elif "short story" in text:
            yield SHORT_STORY
        elif "story" in text:
            for word in STORY.split():
                yield f"{word} "
        else:
            yield "I see."


@asynccontextmanager
async def realtime_server(contexts: list[LLMContext]) -> AsyncIterator[VoiceServer]:
    """Serve the actor; each caller's memory is added to `contexts`."""

    async def bot(transport: SessionTransport) -> None:
        context = LLMContext()
        contexts.append(context)
        user, assistant = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=UserTurnStrategies(
                    stop=[SpeechTimeoutUserTurnStopStrategy(0.6)]
                )
            ),
        )
        ears, voice = WhisperSTTService(), HibariTTSService()
        steps = [transport.input(), ears, user, Actor(), voice, transport.output(), assistant]
        await PipelineRunner().run(PipelineTask(Pipeline(steps)))

    await rehearse(ASK_SHORT_STORY, ASK_STORY, ASK_WEATHER, STOP)
    params = WebsocketServerParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2)),
    )
    async with VoiceServer(bot, host="127.0.0.1", port=0, params=params) as server:
        yield server


def said(text: str, rate: int = REALTIME_RATE) -> bytes:
    """Return a rehearsed sentence as mono s16le."""
    normalizer = StreamNormalizer(rate, 1)
    return normalizer.process(speech(text), MICROPHONE_RATE, 1) + normalizer.flush()
