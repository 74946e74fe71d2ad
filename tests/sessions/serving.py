"""A server of many callers, with bots that tests look into."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.transports.client import Echo
from voicewire import (
    BaseTransport,
    Limits,
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    Processor,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.sessions import Bot


async def run_pipeline(
    transport: BaseTransport, *processors: Processor, allow_interruptions: bool = True
) -> None:
    """Run a pipeline of `processors` until the caller leaves."""
    pipeline = Pipeline([transport.input(), *processors, transport.output()])
    params = PipelineParams(audio_out_sample_rate=16000, allow_interruptions=allow_interruptions)
    task = PipelineTask(pipeline, params=params)
    await PipelineRunner().run(task)


async def echo(transport: BaseTransport) -> None:
    await run_pipeline(transport, Echo())


@asynccontextmanager
async def voice_server(
    bot: Bot = echo, *, limits: Limits | None = None, **params: Any
) -> AsyncIterator[VoiceServer]:
    """Serve `bot` on a free port; `params` are the transports'. It must leave no task behind."""
    before = asyncio.all_tasks()
    settings = {"audio_in_enabled": True, "audio_out_enabled": True, **params}
    server = VoiceServer(
        bot,
        host="127.0.0.1",
        port=0,
        params=WebsocketServerParams.model_validate(settings),
        limits=limits,
    )
    async with server:
        yield server
    assert asyncio.all_tasks() <= before
    assert server.sessions == ()
