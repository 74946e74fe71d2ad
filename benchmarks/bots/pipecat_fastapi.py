"""Pipecat for many callers: its FastAPI transport on uvicorn with uvloop, as its documents have it.

python -m benchmarks.bots.pipecat_fastapi {echo,vad,talker}, in the environment `pipecat`. Nothing
of Pipecat is switched off.
"""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from benchmarks.bots.process import announce, prepare

SAMPLE_RATE = 16000
TALK_SECS = 30


class Echo(FrameProcessor):
    """Says what it hears."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(
                audio=frame.audio,
                sample_rate=frame.sample_rate,
                num_channels=frame.num_channels,
            )
        await self.push_frame(frame, direction)


class Silent(FrameProcessor):
    """Takes what it hears, and says nothing."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)


async def run_bot(websocket: WebSocket, bot: str) -> None:
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=ProtobufFrameSerializer(),
        ),
    )
    vad = [VADProcessor(vad_analyzer=SileroVADAnalyzer())] if bot == "vad" else []
    processor = Silent() if bot == "talker" else Echo()
    worker = PipelineWorker(
        Pipeline([transport.input(), *vad, processor, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        if bot == "talker":
            speech = bytes(2 * SAMPLE_RATE * TALK_SECS)
            await worker.queue_frame(
                OutputAudioRawFrame(audio=speech, sample_rate=SAMPLE_RATE, num_channels=1)
            )

    @transport.event_handler("on_client_disconnected")
    async def leave(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main(bot: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # What ours holds when it is idle, so that the two can be compared idle.
        app.state.vad = SileroVADAnalyzer() if bot == "vad" else None
        announce(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws")
        yield

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def serve_caller(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket, bot)

    config = uvicorn.Config(app, loop="uvloop", log_level="error")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    prepare()
    main(sys.argv[1])
