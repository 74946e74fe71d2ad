"""A bot that calls functions: Python's, and with MCP_URL those of an MCP server.

pip install "voicewire[openai,mcp]"
OPENAI_API_KEY=sk-… python examples/tools_bot.py
OPENAI_API_KEY=sk-… MCP_URL=http://localhost:8000/mcp python examples/tools_bot.py
"""

import asyncio
import os
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

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
from voicewire.context import LLMContext, tool
from voicewire.services.mcp import MCPTools
from voicewire.services.openai import OpenAILLMService, OpenAISTTService, OpenAITTSService

INSTRUCTIONS = """You answer the telephone of a tea shop. Greet the caller, and answer in one or two
short sentences, in words only. Look orders up before you speak of them."""

ORDERS = {17: "two boxes of Darjeeling, on their way", 18: "a teapot, to be collected"}


async def tell_time(zone: str = "Europe/Paris", style: Literal["12", "24"] = "12") -> str:
    """Tell the present time.

    Args:
        zone: IANA name of a time zone.
        style: Hours on the clock.
    """
    now = datetime.now(ZoneInfo(zone))
    return now.strftime("%I:%M %p" if style == "12" else "%H:%M")


@tool(progress="One moment, I am looking that up.", progress_after_secs=0.8)
async def find_order(number: int) -> dict[str, str]:
    """Find an order by its number.

    Args:
        number: As it stands on the receipt.
    """
    await asyncio.sleep(1.5)  # A slow database: the caller hears meanwhile that we are at it.
    if number not in ORDERS:
        raise LookupError(f"there is no order {number}")
    return {"order": ORDERS[number]}


async def main(port: int = 8765) -> None:
    functions: list[Any] = [tell_time, find_order]

    async def bot(transport: SessionTransport) -> None:
        """Serve one caller; what goes wrong here concerns nobody else."""
        context = LLMContext([{"role": "system", "content": INSTRUCTIONS}], tools=functions)
        task = PipelineTask(
            Pipeline(
                [
                    transport.input(),
                    OpenAISTTService(language="en"),
                    OpenAILLMService(model="gpt-4o-mini", context=context),
                    OpenAITTSService(),
                    transport.output(),
                ]
            )
        )

        @transport.event_handler("on_client_connected")
        async def greet(transport: SessionTransport, client: ClientConnection) -> None:
            await task.queue_frame(LLMRunFrame())

        await PipelineRunner().run(task)

    server = VoiceServer(
        bot,
        port=port,
        params=WebsocketServerParams(
            audio_in_enabled=True, audio_out_enabled=True, vad_analyzer=SileroVADAnalyzer()
        ),
        limits=Limits(max_sessions=100, max_session_secs=3600),
    )
    async with AsyncExitStack() as stack:
        if url := os.environ.get("MCP_URL"):
            # One connection for all callers.
            tools = await stack.enter_async_context(MCPTools({"shop": url}))
            functions += tools.functions
        await stack.enter_async_context(server)
        print(f"waiting for callers on {server.url}")
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
