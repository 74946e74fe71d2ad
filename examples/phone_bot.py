"""A telephone line that repeats what the caller says, until they press #.

python examples/phone_bot.py

Give a number of yours at Twilio the webhook https://YOUR.SERVER/twilio/start. Other providers have
paths of their own: docs/telephony.md.
"""

import asyncio
import os

from voicewire import (
    EndFrame,
    Frame,
    FrameDirection,
    InlineProcessor,
    InputAudioRawFrame,
    InputDTMFFrame,
    KeypadEntry,
    OutputAudioRawFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    TwilioFrameSerializer,
    VoiceServer,
    WebsocketServerParams,
)


class Echo(InlineProcessor):
    """Says what it hears, and hangs up when it is told to."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        elif isinstance(frame, InputDTMFFrame) and frame.button is KeypadEntry.POUND:
            self.push(EndFrame(), FrameDirection.UPSTREAM)
        self.push(frame, direction)


async def bot(transport: SessionTransport) -> None:
    """Called once for each caller."""
    if transport.call is not None:
        print(f"{transport.dialect}: {transport.call.from_number or 'somebody'} calls")
    pipeline = Pipeline([transport.input(), Echo(), transport.output()])
    await PipelineRunner().run(PipelineTask(pipeline))


async def main(port: int = 8765) -> None:
    # With credentials the call is hung up when the bot ends, and nobody but Twilio gets in.
    twilio = TwilioFrameSerializer(
        account_sid=os.environ.get("TWILIO_ACCOUNT_SID"),
        auth_token=os.environ.get("TWILIO_AUTH_TOKEN"),
    )
    params = WebsocketServerParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        dialects={"/twilio": twilio},
    )
    async with VoiceServer(bot, port=port, params=params) as server:
        print(f"waiting for calls on {server.url}/twilio")
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
