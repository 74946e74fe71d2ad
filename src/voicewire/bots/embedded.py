"""A bot that needs no key: speech recognition, language model and voice on this machine."""

from voicewire.context import LLMContext
from voicewire.frames import LLMRunFrame, TTSSpeakFrame
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.processors import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserIdleProcessor,
)
from voicewire.services.local.llm import LocalLLMService
from voicewire.services.local.smart_turn import SmartTurnAnalyzer
from voicewire.services.local.stt import WhisperSTTService
from voicewire.services.local.text_turn import LocalTextTurnAnalyzer
from voicewire.services.local.tts import HibariTTSService
from voicewire.transports import BaseTransport, ClientConnection, WebsocketServerParams
from voicewire.turns import TurnAnalyzerUserTurnStopStrategy, UserTurnStrategies
from voicewire.vad import SileroVADAnalyzer, VADParams

IDLE_SECS = 30.0
"""A silence after which the caller is asked, once, whether they are still there."""

transport_params = WebsocketServerParams(
    audio_in_enabled=True,
    audio_out_enabled=True,
    # Pauses are noticed early: Smart Turn says which of them is the end.
    vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2)),
)


async def bot(transport: BaseTransport) -> None:
    """Greet each caller and answer what they say, until the program is told to end."""
    record = transport.record
    context = LLMContext(record.messages if record else ())
    transport.remember(context)
    user, assistant = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            user_turn_strategies=UserTurnStrategies(
                stop=[
                    TurnAnalyzerUserTurnStopStrategy(
                        SmartTurnAnalyzer(), text_analyzer=LocalTextTurnAnalyzer()
                    )
                ]
            ),
            speculate=True,
        ),
    )
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                WhisperSTTService(),
                UserIdleProcessor(IDLE_SECS, _ask_whether_there, max_retries=1),
                user,
                LocalLLMService(),
                HibariTTSService(),
                transport.output(),
                assistant,
            ]
        )
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: BaseTransport, client: ClientConnection) -> None:
        if not context.messages or context.messages[-1].get("role") == "user":
            await task.queue_frame(LLMRunFrame())

    await PipelineRunner().run(task)


async def _ask_whether_there(idle: UserIdleProcessor, retry_count: int) -> None:
    await idle.push_frame(TTSSpeakFrame("Are you still there?"))
