"""A bot inside somebody's own FastAPI application.

    pip install fastapi
    uvicorn examples.fastapi_app:app

Callers talk to ws://localhost:8000/voice/ws, telephone providers to /voice/twilio and so on; the
rest of the application is what it was. This bot repeats what it hears.
"""

from fastapi import FastAPI

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
)
from voicewire.sessions.asgi import VoiceApp


class Echo(FrameProcessor):
    """Says what it hears."""

    handles = (InputAudioRawFrame,)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        self.push(frame, direction)


async def bot(transport: BaseTransport) -> None:
    """Called once for each caller."""
    pipeline = Pipeline([transport.input(), Echo(), transport.output()])
    await PipelineRunner(handle_sigint=False).run(PipelineTask(pipeline))


app = FastAPI()
voice = VoiceApp(bot)
app.mount("/voice", voice)


@app.get("/callers")
async def callers() -> int:
    """Say how many callers there are."""
    return len(voice.sessions)
