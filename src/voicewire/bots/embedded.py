"""A bot that needs no key: speech recognition, language model and voice on this machine."""

from voicewire.frames import LLMMessagesFrame
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.services.local.llm import LocalLLMService
from voicewire.services.local.stt import WhisperSTTService
from voicewire.services.local.tts import HibariTTSService
from voicewire.transports import BaseTransport, ClientConnection


async def bot(transport: BaseTransport) -> None:
    """Greet each caller and answer what they say, until the program is told to end."""
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                WhisperSTTService(),
                LocalLLMService(),
                HibariTTSService(),
                transport.output(),
            ]
        )
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: BaseTransport, client: ClientConnection) -> None:
        await task.queue_frame(LLMMessagesFrame([]))

    await PipelineRunner().run(task)
