"""A bot that hears by Deepgram and speaks by Cartesia, or by ElevenLabs.

pip install "voicewire[openai]"
export DEEPGRAM_API_KEY=… OPENAI_API_KEY=… CARTESIA_API_KEY=… CARTESIA_VOICE=…
python examples/vendors_bot.py

With ELEVENLABS_API_KEY and ELEVENLABS_VOICE instead, the voice is ElevenLabs'.
"""

import asyncio
import os

from voicewire import (
    ClientConnection,
    LLMContext,
    LLMContextAggregatorPair,
    LLMRunFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    SileroVADAnalyzer,
    TTSService,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.services.cartesia import CartesiaTTSService
from voicewire.services.deepgram import DeepgramSTTService
from voicewire.services.elevenlabs import ElevenLabsTTSService
from voicewire.services.openai import OpenAILLMService

INSTRUCTIONS = """You are on the telephone. Greet the caller, and answer in one or two short
sentences, in words only: no lists, no symbols, nothing that cannot be said aloud."""


def voice() -> TTSService:
    """Return the voice whose key is there."""
    if "ELEVENLABS_VOICE" in os.environ:
        return ElevenLabsTTSService(
            voice=os.environ["ELEVENLABS_VOICE"],
            base_url=os.environ.get("ELEVENLABS_URL", "wss://api.elevenlabs.io"),
        )
    return CartesiaTTSService(
        voice=os.environ["CARTESIA_VOICE"],
        base_url=os.environ.get("CARTESIA_URL", "wss://api.cartesia.ai"),
    )


async def bot(transport: SessionTransport) -> None:
    """Serve one caller. What they have not heard of an answer, the context does not hold."""
    context = LLMContext([{"role": "system", "content": INSTRUCTIONS}])
    user, assistant = LLMContextAggregatorPair(context)
    ears = DeepgramSTTService(
        base_url=os.environ.get("DEEPGRAM_URL", "wss://api.deepgram.com"),
    )
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                ears,
                user,
                OpenAILLMService(model="gpt-4o-mini"),
                voice(),
                transport.output(),
                assistant,
            ]
        )
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: SessionTransport, client: ClientConnection) -> None:
        await task.queue_frame(LLMRunFrame())

    await PipelineRunner().run(task)


async def main(port: int = 8765) -> None:
    params = WebsocketServerParams(
        audio_in_enabled=True, audio_out_enabled=True, vad_analyzer=SileroVADAnalyzer()
    )
    async with VoiceServer(bot, port=port, params=params) as server:
        print(f"waiting for callers on {server.url}")
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
