"""A bot that thinks by Claude; its ears and its voice are OpenAI's, for Anthropic has none.

pip install "voicewire[anthropic,openai]"
ANTHROPIC_API_KEY=sk-ant-… OPENAI_API_KEY=sk-… python examples/anthropic_bot.py
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
from voicewire.services.anthropic import AnthropicLLMService
from voicewire.services.openai import OpenAISTTService, OpenAITTSService

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
                AnthropicLLMService(
                    model="claude-haiku-4-5", max_tokens=300, caches_prompt=True, context=context
                ),
                OpenAITTSService(voice="nova"),
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
