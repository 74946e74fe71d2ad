"""A processor of your own: it watches who speaks, rings when the caller has finished, and hangs up.

It shows what most bots are made of: detection of speech, a frame that is made rather than passed
on, events of the transport, a message to the client beside the audio, and an end from within.
"""

import asyncio
import math
import struct

from voicewire import (
    BaseTransport,
    ClientConnection,
    EndFrame,
    Frame,
    FrameDirection,
    FrameProcessor,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SileroVADAnalyzer,
    UserStoppedSpeakingFrame,
    WebsocketServerParams,
    WebsocketServerTransport,
)

SAMPLE_RATE = 24000
PITCH_HZ = 880


class Doorbell(FrameProcessor):
    """Rings after each thing that the caller says; after the last ring it ends the conversation."""

    handles = (UserStoppedSpeakingFrame,)  # Everything else passes by without waiting.

    def __init__(self, *, num_rings: int) -> None:
        super().__init__()
        self._rings_left = num_rings

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await self.push_frame(frame, direction)
        self._rings_left -= 1
        await self.push_frame(OutputAudioRawFrame(ring(), SAMPLE_RATE, 1))
        await self.push_frame(OutputTransportMessageFrame({"rings_left": self._rings_left}))
        if self._rings_left == 0:
            await self.push_frame(EndFrame(), FrameDirection.UPSTREAM)


def ring() -> bytes:
    """Return half a second of a bell, mono s16le."""
    samples = bytearray()
    for n in range(SAMPLE_RATE // 2):
        level = 12000 * math.exp(-n / 4000) * math.sin(math.tau * PITCH_HZ * n / SAMPLE_RATE)
        samples += struct.pack("<h", round(level))
    return bytes(samples)


async def main(port: int = 8765, num_rings: int = 2) -> None:
    transport = WebsocketServerTransport(
        host="localhost",
        port=port,
        params=WebsocketServerParams(
            audio_in_enabled=True,
            audio_in_passthrough=False,  # Detection of speech is all that listens.
            audio_out_enabled=True,
            vad_analyzer=SileroVADAnalyzer(),
        ),
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: ClientConnection) -> None:
        print(f"{client.remote_address} has come")

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: ClientConnection) -> None:
        print(f"{client.remote_address} has left")

    pipeline = Pipeline([transport.input(), Doorbell(num_rings=num_rings), transport.output()])
    await PipelineRunner().run(PipelineTask(pipeline))


if __name__ == "__main__":
    asyncio.run(main())
