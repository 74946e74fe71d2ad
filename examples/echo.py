"""The smallest bot: it plays back what it hears.

python examples/echo.py
voicewire call ws://localhost:8765 --wav question.wav
"""

import asyncio

from voicewire import (
    BaseTransport,
    Frame,
    FrameDirection,
    FrameProcessor,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    WebsocketServerParams,
    WebsocketServerTransport,
)


class Echo(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        await self.push_frame(frame, direction)


async def main(port: int = 8765) -> None:
    transport = WebsocketServerTransport(
        host="localhost",
        port=port,
        params=WebsocketServerParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_sample_rate=16000,
        ),
    )

    @transport.event_handler("on_websocket_ready")
    async def on_websocket_ready(transport: BaseTransport) -> None:
        print(f"waiting for a caller on ws://localhost:{port}")

    pipeline = Pipeline([transport.input(), Echo(), transport.output()])
    await PipelineRunner().run(PipelineTask(pipeline))


if __name__ == "__main__":
    asyncio.run(main())
