# mypy: ignore-errors
# ruff: noqa: E402 - install_as_pipecat() has to come before the imports that it answers
"""A bot that was written for Pipecat, as it was, but for the two lines about voicewire.

It repeats what the caller has said, when they have said it.
"""

import asyncio

import voicewire

voicewire.install_as_pipecat()

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    InputAudioRawFrame,
    OutputAudioRawFrame,
    TransportMessageUrgentFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.network.websocket_server import (
    WebsocketServerParams,
    WebsocketServerTransport,
)


class Parrot(FrameProcessor):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._speaking = False
        self._heard = []

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)

        if isinstance(frame, UserStartedSpeakingFrame):
            self._speaking = True
            await self.push_frame(TransportMessageUrgentFrame(message={"type": "listening"}))
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._speaking = False
            await self._repeat()
        elif isinstance(frame, InputAudioRawFrame) and self._speaking:
            self._heard.append(frame)

        await self.push_frame(frame, direction)

    async def _repeat(self):
        for heard in self._heard:
            await self.push_frame(
                OutputAudioRawFrame(
                    audio=heard.audio,
                    sample_rate=heard.sample_rate,
                    num_channels=heard.num_channels,
                )
            )
        self._heard = []


async def main(port=8765):
    transport = WebsocketServerTransport(
        host="localhost",
        port=port,
        params=WebsocketServerParams(
            serializer=ProtobufFrameSerializer(),
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.5)),
            session_timeout=60 * 3,
        ),
    )

    pipeline = Pipeline([transport.input(), Parrot(), transport.output()])

    task = PipelineTask(
        pipeline,
        params=PipelineParams(
            audio_in_sample_rate=16000,
            audio_out_sample_rate=16000,
            allow_interruptions=True,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport, client):
        print(f"Client connected: {client.remote_address}")

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, client):
        print(f"Client disconnected: {client.remote_address}")
        await task.cancel()

    runner = PipelineRunner(handle_sigint=False)
    await runner.run(task)


if __name__ == "__main__":
    asyncio.run(main())
