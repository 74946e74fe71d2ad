# mypy: ignore-errors
"""A caller made of Pipecat's pipeline and `WebsocketClientTransport`. Runs in the peer's Python.

It plays recordings in real time, hears each answer out, and prints what it heard as JSON::

    python caller.py {wav,raw} ws://127.0.0.1:8765 question.wav other-question.wav

The caller speaks first: in Pipecat 1.14 audio that comes within some milliseconds of the connection
finds its input not ready, and ends its receiving.
"""

import asyncio
import base64
import json
import sys
import wave

from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.websocket.client import WebsocketClientParams, WebsocketClientTransport
from pipecat.workers.runner import WorkerRunner

END_OF_ANSWER_SECS = 0.5
TRAILING_SILENCE_SECS = 1.2


class Ears(FrameProcessor):
    def __init__(self):
        super().__init__()
        self._arrived = asyncio.Queue()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._arrived.put_nowait(frame)
        else:
            await self.push_frame(frame, direction)

    async def listen(self):
        """Return the next thing that is said: the formats of its frames, and its samples."""
        frames = [await asyncio.wait_for(self._arrived.get(), 30)]
        while True:
            try:
                frames.append(await asyncio.wait_for(self._arrived.get(), END_OF_ANSWER_SECS))
            except TimeoutError:
                break
        return {
            "formats": sorted({(frame.sample_rate, frame.num_channels) for frame in frames}),
            "pcm": base64.b64encode(b"".join(frame.audio for frame in frames)).decode(),
        }


async def converse(worker, ears, questions):
    heard = []
    for question in questions:
        with wave.open(question) as file:
            rate, channels = file.getframerate(), file.getnchannels()
            pcm = file.readframes(file.getnframes())
        pcm += bytes(int(TRAILING_SILENCE_SECS * rate) * 2 * channels)
        await worker.queue_frames(
            [OutputAudioRawFrame(audio=pcm, sample_rate=rate, num_channels=channels)]
        )
        heard.append(await ears.listen())
    sys.stdout.write(json.dumps(heard) + "\n")
    await worker.cancel()


async def main(header, url, *questions):
    transport = WebsocketClientTransport(
        uri=url,
        params=WebsocketClientParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=header == "wav",
        ),
    )
    ears = Ears()
    worker = PipelineWorker(
        Pipeline([transport.input(), ears, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=24000, audio_out_sample_rate=16000),
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), converse(worker, ears, questions))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
