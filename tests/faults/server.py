"""A server for faults: `python -m tests.faults.server '{"loop": "asyncio"}'`.

Prints a line of JSON when callers may come, and one for each line on its stdin.
"""

import asyncio
import json
import sys

import numpy as np

from tests.sessions.serving import run_pipeline
from tests.soak.server import answer_questions
from tests.transports.client import Echo
from voicewire import (
    ClientConnectedFrame,
    Frame,
    FrameDirection,
    Limits,
    OutputAudioRawFrame,
    SessionTransport,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.pipeline import InlineProcessor
from voicewire.sessions import serving

RATE = 16000

SAMPLE_VALUES = 30_000
"""Samples that are said count up to here and begin again."""


def counted(secs: float) -> bytes:
    """Return samples that count: what is lost, repeated or out of order is seen."""
    return (np.arange(round(secs * RATE)) % SAMPLE_VALUES).astype("<i2").tobytes()


class Sayer(InlineProcessor):
    """Says so many seconds to whoever comes, handed over at once as text-to-speech does."""

    def __init__(self, secs: float) -> None:
        super().__init__()
        self._secs = secs

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, ClientConnectedFrame):
            self.push(OutputAudioRawFrame(counted(self._secs), RATE, 1))


async def bot(transport: SessionTransport) -> None:
    """Say so many seconds at `/say/8`; echo elsewhere."""
    path = transport.client.path
    if path.startswith("/say/"):
        await run_pipeline(transport, Sayer(float(path.removeprefix("/say/"))))
    else:
        await run_pipeline(transport, Echo(), allow_interruptions=False)


def main(settings: dict[str, object]) -> None:
    host = str(settings.pop("host", "127.0.0.1"))
    if settings.pop("loop", "") == "asyncio":
        serving._loop_factory = lambda: asyncio.SelectorEventLoop
    server = VoiceServer(
        bot,
        host=host,
        port=0,
        params=WebsocketServerParams.model_validate(
            {"audio_in_enabled": True, "audio_out_enabled": True, **settings}
        ),
        limits=Limits(max_sessions=2000),
    )
    serving.run_server(server, 1.0, on_ready=lambda _: answer_questions(server))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
