"""Bots that say samples that count up, and note what they hear: nothing is lost or twice unseen."""

import numpy as np

from tests.sessions.resuming import RATE
from tests.sessions.serving import run_pipeline
from tests.transports.client import Recorder
from voicewire import Frame, FrameDirection, InlineProcessor, TTSAudioRawFrame
from voicewire.frames import InputAudioRawFrame
from voicewire.sessions import SessionTransport


class Counter(InlineProcessor):
    """Says samples that count up, as fast as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.num_said = 0

    def say(self, secs: float) -> None:
        samples = np.arange(self.num_said, self.num_said + round(secs * RATE))
        self.num_said += len(samples)
        self.push(TTSAudioRawFrame((samples % 30_000).astype("<i2").tobytes(), RATE, 1))

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)


class Bots:
    """Notes what becomes of each bot that is called."""

    def __init__(self) -> None:
        self.heard = Recorder()
        self.counter = Counter()
        self.num_called = 0
        self.num_over = 0
        self.transport: SessionTransport | None = None

    async def __call__(self, transport: SessionTransport) -> None:
        self.num_called += 1
        self.transport = transport
        try:
            await run_pipeline(transport, self.heard, self.counter)
        finally:
            self.num_over += 1

    def heard_samples(self) -> list[int]:
        frames = self.heard.of(InputAudioRawFrame)
        samples: list[int] = np.frombuffer(b"".join(each.audio for each in frames), "<i2").tolist()
        return samples


def counting(num_samples: int) -> list[int]:
    return [number % 30_000 for number in range(num_samples)]
