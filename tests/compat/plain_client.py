"""A client made of the `websockets` package and `frames.proto`, and nothing of voicewire's.

The messages' classes are made from the `.proto` at run time, by protobuf's own compiler.
"""

import asyncio
import contextlib
import io
import time
import wave
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import websockets.asyncio.client
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MIC_SAMPLE_RATE = 16000
_MESSAGE_SECS = 0.02
_SILENCE = bytes(round(MIC_SAMPLE_RATE * _MESSAGE_SECS) * 2)
_END_OF_ANSWER_SECS = 0.5
"""So long a silence of the server ends what `listen` returns."""

PROTO = Path(__file__).parents[2] / "src/voicewire/serializers/protos/frames.proto"


def load_frame_class(directory: Path) -> Any:
    """Return the class of `pipecat.Frame`, from `frames.proto`; `directory` is for scratch."""
    from grpc_tools import protoc

    compiled = directory / "frames.bin"
    arguments = [f"-I{PROTO.parent}", f"--descriptor_set_out={compiled}", PROTO.name]
    if protoc.main(["protoc", *arguments]):
        raise RuntimeError("protoc failed")
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("pipecat.Frame"))


def read_speech(path: Path) -> bytes:
    """Return the samples of a recording in the microphone's format."""
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels()) != (MIC_SAMPLE_RATE, 1):
            raise ValueError(f"{path.name} is not mono at {MIC_SAMPLE_RATE} Hz")
        return bytes(file.readframes(file.getnframes()))


class PlainClient:
    """A caller whose microphone is always on: silence where it says nothing, in real time.

    Attributes:
        messages: What the server has sent, as `pipecat.Frame`.
    """

    def __init__(self, websocket: websockets.asyncio.client.ClientConnection, frame: Any) -> None:
        self.websocket = websocket
        self.messages: list[Any] = []
        self._frame_class = frame
        self._speech: deque[bytes] = deque()
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()

    def say(self, pcm: bytes) -> None:
        """Say this from now on; mono s16le at the microphone's rate."""
        size = len(_SILENCE)
        self._speech += [pcm[start : start + size] for start in range(0, len(pcm), size)]

    async def listen(self, *, timeout_secs: float = 20.0) -> list[Any]:
        """Return the audio messages of the next thing that the server says."""
        async with asyncio.timeout(timeout_secs):
            answer = [await self._arrived.get()]
        while True:
            try:
                answer.append(await asyncio.wait_for(self._arrived.get(), _END_OF_ANSWER_SECS))
            except TimeoutError:
                return answer

    async def run_microphone(self) -> None:
        """Send one message after the other, on an absolute schedule."""
        due_at = time.monotonic()
        while True:
            frame = self._frame_class()
            frame.audio.audio = self._speech.popleft() if self._speech else _SILENCE
            frame.audio.sample_rate = MIC_SAMPLE_RATE
            frame.audio.num_channels = 1
            await self.websocket.send(frame.SerializeToString())
            due_at += _MESSAGE_SECS
            await asyncio.sleep(due_at - time.monotonic())

    async def run_ears(self) -> None:
        """Take what the server sends."""
        async for data in self.websocket:
            frame = self._frame_class.FromString(data)
            self.messages.append(frame)
            if frame.WhichOneof("frame") == "audio":
                self._arrived.put_nowait(frame.audio)


@contextlib.asynccontextmanager
async def call(url: str, frame_class: Any, *, mic: bool = True) -> AsyncIterator[PlainClient]:
    """Connect, as soon as the server is there, and hang up in the end."""
    async with asyncio.timeout(20):
        while True:
            try:
                websocket = await websockets.asyncio.client.connect(url, compression=None)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)  # Its program is still being loaded.
    client = PlainClient(websocket, frame_class)
    tasks = [asyncio.ensure_future(client.run_ears())]
    if mic:
        tasks.append(asyncio.ensure_future(client.run_microphone()))
    try:
        yield client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await websocket.close()


def join_audio(answer: list[Any]) -> bytes:
    """Return the samples of an answer, out of their WAV files where they come in such."""
    return b"".join(unwrap(audio.audio) for audio in answer)


def unwrap(audio: bytes) -> bytes:
    """Return the samples in a WAV file; samples without one as they are."""
    if not audio.startswith(b"RIFF"):
        return audio
    with wave.open(io.BytesIO(audio)) as file:
        return bytes(file.readframes(file.getnframes()))
