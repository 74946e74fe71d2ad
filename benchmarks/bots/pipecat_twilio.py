"""Pipecat on FastAPI, answering calls of Twilio's as its documents have it; it echoes.

python -m benchmarks.bots.pipecat_twilio, in the environment `pipecat`.
"""

import json
import socket

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from benchmarks.bots.pipecat_fastapi import Echo
from benchmarks.bots.process import announce, prepare

SAMPLE_RATE = 8000


async def run_bot(websocket: WebSocket) -> None:
    await websocket.receive_text()  # connected
    start = json.loads(await websocket.receive_text())["start"]
    serializer = TwilioFrameSerializer(
        stream_sid=start["streamSid"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=serializer
        ),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), Echo(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
    )

    @transport.event_handler("on_client_disconnected")
    async def leave(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    app = FastAPI()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    @app.websocket("/twilio")
    async def serve_caller(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket)

    announce(f"ws://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(app, loop="uvloop", log_level="error")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    prepare()
    main()
