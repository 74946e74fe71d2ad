"""Pipecat's bot with the models of our embedded one, asked by OpenAI's HTTP.

python -m benchmarks.bots.pipecat_conversation BASE_URL, in the environment `pipecat`. The pipeline
and the turn strategies are those of Pipecat's quickstart; it writes its URL, and when standard
input ends a line for each moment, as `benchmarks.conversation.bots` does.
"""

import asyncio
import json
import socket
import sys
import time

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    LLMRunFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

IN_RATE, OUT_RATE = 16000, 24000

Moment = tuple[str, str, float]


class Notes(BaseObserver):
    """Writes down when a turn is decided and when its answer goes out."""

    def __init__(self, caller: str, moments: list[Moment]) -> None:
        super().__init__()
        self._caller = caller
        self._moments = moments

    async def on_push_frame(self, data: FramePushed) -> None:
        if (
            data.first_push
            and data.direction is FrameDirection.DOWNSTREAM
            and isinstance(data.frame, UserStoppedSpeakingFrame | BotStartedSpeakingFrame)
        ):
            self._moments.append((self._caller, type(data.frame).__name__, time.monotonic()))


async def run_bot(websocket: WebSocket, base_url: str, notes: Notes) -> None:
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=ProtobufFrameSerializer(
                ProtobufFrameSerializer.InputParams(ignore_rtvi_messages=False)
            ),
        ),
    )
    context = LLMContext()
    user, assistant = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2))
        ),
    )
    at = {"api_key": "none", "base_url": base_url}
    worker = PipelineWorker(
        Pipeline(
            [
                transport.input(),
                OpenAISTTService(**at),
                user,
                OpenAILLMService(**at),
                OpenAITTSService(**at),
                transport.output(),
                assistant,
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=IN_RATE, audio_out_sample_rate=OUT_RATE),
        observers=[notes],
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.queue_frame(LLMRunFrame())

    @transport.event_handler("on_client_disconnected")
    async def leave(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def main(base_url: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    app = FastAPI()
    moments: list[Moment] = []
    num_callers = 0

    @app.websocket("/ws")
    async def serve_caller(websocket: WebSocket) -> None:
        nonlocal num_callers
        num_callers += 1
        await websocket.accept()
        await run_bot(websocket, base_url, Notes(str(num_callers), moments))

    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    print(json.dumps(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving
    for moment in moments:
        print(json.dumps(moment), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
