"""Many callers on one port, each with a bot of their own that plays back what it hears.

python examples/many_callers.py
voicewire bench --target ws://localhost:8765 --sessions 100 --secs 10
"""

import asyncio

from voicewire import (
    ClientConnection,
    Frame,
    FrameDirection,
    InlineProcessor,
    InputAudioRawFrame,
    Limits,
    OutputAudioRawFrame,
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    VoiceServer,
    WebsocketServerParams,
)


class Echo(InlineProcessor):
    """Never waits, so it needs no task and no queue of its own."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        self.push(frame, direction)


async def bot(transport: SessionTransport) -> None:
    """Serve one caller; what goes wrong here concerns nobody else."""

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: SessionTransport, client: ClientConnection) -> None:
        print(f"{client.id} has left after {transport.stats.messages_in} messages")

    task = PipelineTask(
        Pipeline([transport.input(), Echo(), transport.output()]),
        params=PipelineParams(audio_out_sample_rate=16000),
    )
    await PipelineRunner().run(task)


async def main(port: int = 8765) -> None:
    server = VoiceServer(
        bot,
        port=port,
        params=WebsocketServerParams(audio_in_enabled=True, audio_out_enabled=True),
        limits=Limits(max_sessions=500, max_session_secs=3600),
    )
    async with server:
        print(f"waiting for callers on {server.url}")
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
