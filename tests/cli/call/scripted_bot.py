"""A server that answers each stretch of sound in the same way, a moment after it has ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import Server, ServerConnection, serve

from voicewire.audio.pcm import wav_bytes
from voicewire.serializers.protos import frames_pb2 as proto

RATE = 24000
CHUNK_SECS = 0.05
QUIET_MESSAGES = 5
"""After so many silent messages of 20 ms the caller has finished."""


def audio_message(pcm: bytes) -> bytes:
    audio = proto.AudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1)
    return proto.Frame(audio=audio).SerializeToString()


class ScriptedBot:
    """Greets, hears, answers, and stops when the caller speaks.

    Args:
        greeting_secs: Length of the greeting; 0 is none.
        answer_secs: Length of an answer; 0 is none.
        in_wav: Whether each audio message is a whole WAV file.
        closes_after: Answers after which it closes the connection; None never does.
    """

    def __init__(
        self,
        *,
        greeting_secs: float = 0.0,
        answer_secs: float = 0.5,
        in_wav: bool = False,
        closes_after: int | None = None,
    ) -> None:
        self.received: list[proto.AudioRawFrame] = []
        self.num_answers = 0
        self._greeting_secs = greeting_secs
        self._answer_secs = answer_secs
        self._in_wav = in_wav
        self._closes_after = closes_after

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Yield the address."""
        server: Server
        async with serve(self._serve, "127.0.0.1", 0) as server:
            yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    async def _serve(self, socket: ServerConnection) -> None:
        speaking = asyncio.create_task(self._say(socket, self._greeting_secs, "Hello."))
        num_quiet = QUIET_MESSAGES
        async for message in socket:
            assert isinstance(message, bytes)
            audio = proto.Frame.FromString(message).audio
            self.received.append(audio)
            if any(audio.audio):
                speaking.cancel()
                num_quiet = 0
                continue
            num_quiet += 1
            if num_quiet == QUIET_MESSAGES:
                speaking = asyncio.create_task(self._answer(socket))
        speaking.cancel()  # The caller has hung up.

    async def _answer(self, socket: ServerConnection) -> None:
        self.num_answers += 1
        if self._closes_after is not None and self.num_answers > self._closes_after:
            await socket.close(1001, "enough")
            return
        heard = proto.TranscriptionFrame(text=f"question {self.num_answers}")
        await socket.send(proto.Frame(transcription=heard).SerializeToString())
        await self._say(socket, self._answer_secs, f"Answer {self.num_answers}.")

    async def _say(self, socket: ServerConnection, secs: float, text: str) -> None:
        for _ in range(round(secs / CHUNK_SECS)):
            pcm = b"\0\x20" * round(CHUNK_SECS * RATE)
            await socket.send(audio_message(wav_bytes(pcm, RATE, 1) if self._in_wav else pcm))
            await asyncio.sleep(CHUNK_SECS)
        if secs:
            await socket.send(proto.Frame(text=proto.TextFrame(text=text)).SerializeToString())
