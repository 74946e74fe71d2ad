"""Pipecat with the bot of the fault comparison; see `benchmarks.faults`.

python -m benchmarks.bots.pipecat_faults {fastapi,single} PORT [--own-page ORIGIN]
[--session-timeout SECS], in the environment `pipecat`. Nothing of Pipecat is switched off.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    CancelFrame,
    ClientConnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.transports.websocket.server import (
    SingleClientWebsocketServerParams,
    SingleClientWebsocketServerTransport,
)
from pipecat.workers.runner import WorkerRunner
from websockets.asyncio.server import ServerConnection

from benchmarks.bots.numbered import SAMPLE_RATE, Heard, blocks
from benchmarks.bots.process import announce, prepare

HEARD = Heard()
"""By all bots of this process."""


class Bot(FrameProcessor):
    """Says what it hears, until it is asked to say something else; and tells what it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self._echoes = True
        self._saying: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            HEARD.add(frame.audio)
            if self._echoes:
                await self.push_frame(_audio(frame.audio))
        elif isinstance(frame, InputTransportMessageFrame):
            if direction is FrameDirection.DOWNSTREAM:
                await self._obey(frame.message)
        else:
            if isinstance(frame, ClientConnectedFrame):
                self._echoes = True  # Where one bot has one caller after the other.
            if isinstance(frame, EndFrame | CancelFrame) and self._saying is not None:
                await self.cancel_task(self._saying)
                self._saying = None
            await self.push_frame(frame, direction)

    async def _obey(self, wish: dict[str, float]) -> None:
        if wish["type"] == "say":
            self._echoes = False
            self._saying = self.create_task(self._say(wish))
        elif wish["type"] == "heard":
            asked = range(int(wish["first"]), int(wish["first"] + wish["blocks"]))
            told = {"missing": HEARD.missing(asked), "repeated": HEARD.repeated(asked)}
            await self.push_frame(OutputTransportMessageUrgentFrame(message=told))

    async def _say(self, wish: dict[str, float]) -> None:
        size, first = int(wish["blocks"]), int(wish["first"])
        for number in range(int(wish["pieces"])):
            await self.push_frame(_audio(blocks(first + number * size, size)))
            await asyncio.sleep(wish["every_secs"])


def _audio(pcm: bytes) -> OutputAudioRawFrame:
    return OutputAudioRawFrame(audio=pcm, sample_rate=SAMPLE_RATE, num_channels=1)


def _settings(options: argparse.Namespace) -> dict[str, object]:
    return {
        "audio_in_enabled": True,
        "audio_out_enabled": True,
        "serializer": ProtobufFrameSerializer(),
        "session_timeout": options.session_timeout,
        "allowed_origins": [options.own_page] if options.own_page else [],
    }


def _worker(
    transport: FastAPIWebsocketTransport | SingleClientWebsocketServerTransport,
) -> PipelineWorker:
    return PipelineWorker(
        Pipeline([transport.input(), Bot(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
    )


async def _call(websocket: WebSocket, options: argparse.Namespace) -> None:
    transport = FastAPIWebsocketTransport(websocket, FastAPIWebsocketParams(**_settings(options)))
    worker = _worker(transport)

    @transport.event_handler("on_client_disconnected")
    async def leave(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    @transport.event_handler("on_session_timeout")
    async def end(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def serve_fastapi(options: argparse.Namespace) -> None:
    """Serve many callers: the FastAPI transport on uvicorn, as its documents have it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().call_later(0.2, announce, url)
        yield

    url = f"ws://127.0.0.1:{options.port}/ws"
    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def serve_caller(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await _call(websocket, options)
        except ValueError:  # Of another origin; to close is the application's part, it says.
            await websocket.close(1008)

    uvicorn.run(app, host="127.0.0.1", port=options.port, loop="uvloop", log_level="warning")


async def serve_single(options: argparse.Namespace) -> None:
    """Serve one caller at a time: Pipecat's own server."""
    transport = SingleClientWebsocketServerTransport(
        params=SingleClientWebsocketServerParams(**_settings(options)),
        host="127.0.0.1",
        port=options.port,
    )
    worker = _worker(transport)

    @transport.event_handler("on_websocket_ready")
    async def tell(transport: SingleClientWebsocketServerTransport) -> None:
        announce(f"ws://127.0.0.1:{options.port}")

    @transport.event_handler("on_session_timeout")
    async def end(
        transport: SingleClientWebsocketServerTransport, client: ServerConnection
    ) -> None:
        await client.close()

    runner = WorkerRunner(handle_sigterm=True)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    prepare()
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["fastapi", "single"])
    parser.add_argument("port", type=int)
    parser.add_argument("--own-page")
    parser.add_argument("--session-timeout", type=int)
    parsed = parser.parse_args()
    if parsed.kind == "fastapi":
        serve_fastapi(parsed)
    else:
        asyncio.run(serve_single(parsed))
