"""The models of the embedded bot behind OpenAI's HTTP, for peers that ask them.

python -m benchmarks.conversation.models
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from voicewire.audio.pcm import parse_wav
from voicewire.audio.resample import StreamNormalizer
from voicewire.clock import MonotonicClock
from voicewire.context import LLMContext
from voicewire.frames import StartFrame
from voicewire.pipeline import ProcessorSetup
from voicewire.pipeline.owner import TaskOwner
from voicewire.services.local.llm import LocalLLMService
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine

PCM_RATE = 24000
"""Hertz of `response_format="pcm"` (platform.openai.com, "Text to speech")."""


@asynccontextmanager
async def loaded(app: Starlette) -> AsyncIterator[None]:
    async with TaskOwner() as tasks:
        app.state.llm = LocalLLMService()
        await app.state.llm.setup(ProcessorSetup(MonotonicClock(), tasks, StartFrame()))
        await asyncio.gather(WhisperEngine.shared().ready(), HibariEngine.shared().ready())
        yield
        await app.state.llm.cleanup()


async def transcribe(request: Request) -> JSONResponse:
    async with request.form() as form:
        file = form["file"]
        assert not isinstance(file, str)
        pcm, sample_rate, num_channels = parse_wav(await file.read())
    normalizer = StreamNormalizer(WHISPER_SAMPLE_RATE, 1)
    pcm = normalizer.process(pcm, sample_rate, num_channels) + normalizer.flush()
    return JSONResponse({"text": (await WhisperEngine.shared().transcribe(pcm)).text})


async def complete(request: Request) -> StreamingResponse:
    messages = (await request.json())["messages"]

    async def events() -> AsyncGenerator[str, None]:
        async with aclosing(request.app.state.llm.stream_answer(LLMContext(messages))) as pieces:
            async for piece in pieces:
                yield _event({"content": piece}, None)
        yield _event({}, "stop")
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def speak(request: Request) -> StreamingResponse:
    text = (await request.json())["input"]

    async def audio() -> AsyncGenerator[bytes, None]:
        normalizer = StreamNormalizer(PCM_RATE, 1)
        async with aclosing(HibariEngine.shared().speak(text)) as pieces:
            async for pcm in pieces:
                yield normalizer.process(pcm, VOICE_SAMPLE_RATE, 1)
        yield normalizer.flush()

    return StreamingResponse(audio(), media_type="audio/pcm")


def _event(delta: dict[str, Any], finish_reason: str | None) -> str:
    chunk = {
        "id": "answer",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "local",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return f"data: {json.dumps(chunk)}\n\n"


async def main() -> None:
    """Serve until standard input ends; write the base URL first."""
    app = Starlette(
        routes=[
            Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/audio/speech", speak, methods=["POST"]),
        ],
        lifespan=loaded,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    print(json.dumps(f"http://127.0.0.1:{listener.getsockname()[1]}/v1"), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
