"""A bot whose ears, mind and voice are OpenAI's, or those of any server that speaks its HTTP.

pip install "voicewire[openai]"
OPENAI_API_KEY=sk-… python examples/openai_bot.py

OPENAI_BASE_URL=http://localhost:8000/v1 goes to a server of your own, such as Speaches.
"""

import asyncio

from voicewire import (
    ClientConnection,
    Limits,
    LLMRunFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    SileroVADAnalyzer,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.context import LLMContext
from voicewire.services.openai import OpenAILLMService, OpenAISTTService, OpenAITTSService

INSTRUCTIONS = """You are on the telephone. Greet the caller, and answer in one or two short
sentences, in words only: no lists, no symbols, nothing that cannot be said aloud."""


async def bot(transport: SessionTransport) -> None:
    """Serve one caller; what goes wrong here concerns nobody else."""
    context = LLMContext([{"role": "system", "content": INSTRUCTIONS}])
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                OpenAISTTService(language="en"),
                OpenAILLMService(model="gpt-4o-mini", context=context),
                OpenAITTSService(voice="alloy"),
                transport.output(),
            ]
        )
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: SessionTransport, client: ClientConnection) -> None:
        await task.queue_frame(LLMRunFrame())

    await PipelineRunner().run(task)


async def main(port: int = 8765) -> None:
    server = VoiceServer(
        bot,
        port=port,
        params=WebsocketServerParams(
            audio_in_enabled=True, audio_out_enabled=True, vad_analyzer=SileroVADAnalyzer()
        ),
        limits=Limits(max_sessions=100, max_session_secs=3600),
    )
    async with server:
        print(f"waiting for callers on {server.url}")
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
