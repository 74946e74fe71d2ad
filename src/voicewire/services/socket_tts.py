"""Text-to-speech over one WebSocket that carries a sentence a context."""

import asyncio
import base64
import binascii
import json
import logging
from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple
from uuid import uuid4

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.errors import ServiceError
from voicewire.frames import ClientDisconnectedFrame, SystemFrame, WordTime
from voicewire.pipeline import FrameDirection, ProcessorSetup
from voicewire.services.socket import as_object, open_socket, retry
from voicewire.services.tts import TTSService

logger = logging.getLogger(__name__)

OPEN_DEADLINE_SECS = 5.0
"""How long a sentence waits for a connection, several attempts included."""

MAX_PIECES = 1000
"""Of one sentence that wait to be sent on; more than a minute of audio."""


class Said(NamedTuple):
    """What a message says of a sentence.

    Attributes:
        context_id: Which.
        words: When its next words are spoken, counted from its beginning.
        pcm: Its next audio: s16le.
        is_over: Whether that was all.
        error: What the service could not do; None if all is well.
    """

    context_id: str
    words: list[WordTime] = []  # noqa: RUF012 - a default that nobody changes
    pcm: bytes = b""
    is_over: bool = False
    error: str | None = None


class SocketTTSService(TTSService):
    """Keeps one connection to a vendor for a session, and speaks each sentence in a context on it.

    The connection is opened before the first sentence and again when it is lost. A sentence that
    loses it before its first audio is asked for once more; one that is interrupted is cancelled at
    the vendor, and what still comes of it is dropped. Subclasses know the vendor's messages.
    """

    _socket: ClientConnection | None = None
    _reader: "asyncio.Task[None] | None" = None
    _num_misunderstood = 0

    @abstractmethod
    def url(self) -> str:
        """Return where to connect; what is behind its `?` is told to nobody."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Return the handshake's headers, the key among them."""

    @abstractmethod
    def requests(self, context_id: str, text: str) -> Iterable[dict[str, Any]]:
        """Return the messages that ask for a sentence."""

    @abstractmethod
    def cancellation(self, context_id: str) -> dict[str, Any]:
        """Return the message that gives a sentence up."""

    @abstractmethod
    def read(self, message: dict[str, Any]) -> Said | None:
        """Return what a message says; None if it is about nothing of ours.

        Raises:
            ValueError, KeyError, TypeError: It is not what the vendor says that it sends.
        """

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        self._sentences: dict[str, asyncio.Queue[Said | None]] = {}
        self._opening = asyncio.Lock()

    async def cleanup(self) -> None:
        await super().cleanup()
        await self.hang_up()

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        super().on_system_frame(frame, direction)
        if isinstance(frame, ClientDisconnectedFrame) and self._socket is not None:
            self.create_task(self.hang_up(), "hang up")

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        for attempt in range(2):
            has_audio = False
            context_id = uuid4().hex
            socket = await self._connected()
            pieces = self._sentences[context_id] = asyncio.Queue(MAX_PIECES)
            is_over = False
            odd = b""
            try:
                for request in self.requests(context_id, text):
                    await socket.send(json.dumps(request))
                while (said := await pieces.get()) is not None:
                    if said.error is not None:
                        is_over = True
                        raise ServiceError(f"{self.name}: {said.error}")
                    for word in said.words:
                        yield word
                    pcm = odd + said.pcm
                    whole_bytes = len(pcm) - len(pcm) % BYTES_PER_SAMPLE
                    odd = pcm[whole_bytes:]
                    if whole_bytes:
                        has_audio = True
                        yield pcm[:whole_bytes]
                    if said.is_over:
                        is_over = True
                        return
            except ConnectionClosed:
                pass
            finally:
                self._sentences.pop(context_id, None)
                if not is_over and self._socket is socket:
                    self.create_task(self._cancel(socket, context_id), "cancel a sentence")
            if has_audio or attempt:
                raise ServiceError(f"{self.name}: the connection was lost in mid-sentence")

    async def hang_up(self) -> None:
        """Close the connection; the next sentence opens another one."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    async def _connected(self) -> ClientConnection:
        async with self._opening:
            if self._socket is None:
                self._socket = await retry(
                    lambda: open_socket(self.name, self.url(), self.headers()),
                    deadline_secs=OPEN_DEADLINE_SECS,
                )
                self._reader = self.create_task(self._listen(self._socket), "listen")
            return self._socket

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                said = self._understand(message)
                if said is None:
                    continue
                waiting = self._sentences.get(said.context_id)
                if waiting is not None:  # Else it has been cancelled.
                    await waiting.put(said)
        except ConnectionClosed as closed:
            logger.debug("%s: the connection is gone: %s", self.name, closed)
        finally:
            if self._socket is socket:
                self._socket = None
                for waiting in self._sentences.values():
                    if not waiting.full():
                        waiting.put_nowait(None)

    def _understand(self, message: str | bytes) -> Said | None:
        try:
            return self.read(as_object(message))
        except (ValueError, KeyError, TypeError, binascii.Error) as exc:
            # One line for each service: garbage must not become a flood of lines.
            if not self._num_misunderstood:
                logger.warning("%s: a message is not understood: %s", self.name, type(exc).__name__)
            self._num_misunderstood += 1
            return None

    async def _cancel(self, socket: ClientConnection, context_id: str) -> None:
        try:
            await socket.send(json.dumps(self.cancellation(context_id)))
        except ConnectionClosed:
            logger.debug("%s: nothing to cancel, the connection is gone", self.name)


def decode_audio(encoded: str) -> bytes:
    """Return what base64 stands for.

    Raises:
        ValueError: It is none.
    """
    return base64.b64decode(encoded, validate=True)
