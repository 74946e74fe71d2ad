"""A bot with the ears and the voice on this machine, and a language model that knows its lines."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.conftest import DATA
from voicewire.audio.pcm import parse_wav
from voicewire.audio.resample import StreamNormalizer
from voicewire.context import LLMContext, tool
from voicewire.frames import EndFrame, LLMRunFrame
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.processors import (
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import LLMService
from voicewire.services.local.language import LanguageServer
from voicewire.services.local.smart_turn import SmartTurnAnalyzer
from voicewire.services.local.stt import WhisperSTTService
from voicewire.services.local.text_turn import LocalTextTurnAnalyzer
from voicewire.services.local.tts import HibariTTSService
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.sessions import SessionTransport, VoiceServer
from voicewire.testing import SimulatedCaller
from voicewire.testing.caller import MICROPHONE_RATE
from voicewire.transports import ClientConnection, WebsocketServerParams
from voicewire.turns import (
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStartStrategy,
    UserTurnStrategies,
    VADUserTurnStartStrategy,
)
from voicewire.vad import SileroVADAnalyzer, VADParams

GREETING = "Good morning."
STORY = (
    "Once upon a time a fisherman lived by the sea. Every day he went out in his little boat. "
    "One evening he caught a golden fish. It promised him three wishes if he let it go."
)
SHORT_STORY = "The fish swam away."
WEATHER_SECS = 4.0


class Player(LLMService):
    """Says its lines."""

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        last = context.messages[-1] if context.messages else {"role": "", "content": ""}
        text = last["content"].lower()
        if last["role"] == "tool":
            yield f"The service says: {text}."
        elif "weather" in text:
            yield ToolCall("weather-1", "get_weather", '{"city": "Paris"}')
        elif "goodbye" in text:
            yield "Goodbye, and thank you."
        elif "short story" in text:
            yield SHORT_STORY
        elif "story" in text:
            for word in STORY.split():
                yield f"{word} "
        else:
            yield "I see." if text else GREETING


@dataclass
class Call:
    """One conversation, as both sides know it.

    Attributes:
        caller: Who calls.
        context: What the bot remembers.
    """

    caller: SimulatedCaller
    context: LLMContext = field(default_factory=LLMContext)

    def remembered(self, role: str) -> list[str]:
        """Return what each message of one side says."""
        return [
            str(message["content"])
            for message in self.context.messages
            if message["role"] == role and message.get("content")
        ]

    async def greeted(self) -> float:
        """Return when the greeting is over."""
        return (await self.caller.wait_for("bot-stopped-speaking")).at_secs

    async def ask(self, text: str) -> float:
        """Say something; return when the bot begins to answer."""
        said_at = await self.caller.say(speech(text))
        return (await self.caller.wait_for("bot-started-speaking", after=said_at)).at_secs

    async def cut_short(self, text: str, *, after: float) -> float:
        """Speak while the bot does; return how long it took from the first sample to silence."""
        began_at = self.caller.now()
        self.caller.start_saying(speech(text))
        await self.caller.wait_for("vw-flush", after=began_at)
        return self.caller.audio_at[-1] - began_at


@asynccontextmanager
async def calling(
    *,
    start: Callable[[], Sequence[UserTurnStartStrategy]] = lambda: [VADUserTurnStartStrategy()],
    can_flush: bool = True,
) -> AsyncIterator[Call]:
    """Serve the bot, and call it."""
    context = LLMContext(tools=[get_weather])

    async def bot(transport: SessionTransport) -> None:
        user, assistant = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=UserTurnStrategies(
                    start=start(),
                    stop=[
                        TurnAnalyzerUserTurnStopStrategy(
                            SmartTurnAnalyzer(), text_analyzer=LocalTextTurnAnalyzer()
                        )
                    ],
                ),
                speculate=True,
            ),
        )
        pipeline = Pipeline(
            [
                transport.input(),
                WhisperSTTService(interim_secs=0.5),
                user,
                Player(),
                HibariTTSService(),
                transport.output(),
                assistant,
            ]
        )
        task = PipelineTask(pipeline)
        assert isinstance(user, LLMUserAggregator)

        @transport.event_handler("on_client_connected")
        async def greet(transport: SessionTransport, client: ClientConnection) -> None:
            await task.queue_frame(LLMRunFrame())

        @user.event_handler("on_user_turn_stopped")
        async def end(aggregator: LLMUserAggregator, text: str) -> None:
            if "goodbye" in text.lower():
                await task.queue_frame(EndFrame())

        await PipelineRunner().run(task)

    params = WebsocketServerParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2)),
    )
    server = VoiceServer(bot, host="127.0.0.1", port=0, params=params)
    await server.start()
    try:
        async with SimulatedCaller(server.url, can_flush=can_flush) as caller:
            yield Call(caller, context)
    finally:
        await server.stop()


@tool(progress="One moment, please.", progress_after_secs=0.5)
async def get_weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    await asyncio.sleep(WEATHER_SECS)
    return f"it rains in {city}"


def recording(name: str) -> bytes:
    """Return one of the recordings, as the microphone gives it."""
    return at_microphone(*parse_wav((DATA / "speech" / name).read_bytes()))


@cache
def speech(text: str) -> bytes:
    """Return a sentence in the voice on this machine, as the microphone gives it."""
    return at_microphone(_SPOKEN[text], VOICE_SAMPLE_RATE, 1)


async def rehearse(*texts: str) -> None:
    """Make the sentences that callers are going to say, and load the models."""
    await asyncio.gather(HibariEngine.shared().ready(), LanguageServer.shared().ready())
    for text in texts:
        _SPOKEN[text] = b"".join([pcm async for pcm in HibariEngine.shared().speak(text)])


def at_microphone(pcm: bytes, sample_rate: int, num_channels: int) -> bytes:
    """Return audio as mono s16le at the microphone's rate."""
    normalizer = StreamNormalizer(MICROPHONE_RATE, 1)
    return normalizer.process(pcm, sample_rate, num_channels) + normalizer.flush()


_SPOKEN: dict[str, Any] = {}
