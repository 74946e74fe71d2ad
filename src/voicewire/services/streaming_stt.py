"""Speech-to-text over a WebSocket that is open while a caller is there."""

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import duration_secs, num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.errors import ServiceError
from voicewire.frames import (
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    STTUpdateSettingsFrame,
    SystemFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.services.socket import Backoff, RefusedError, as_object, open_socket
from voicewire.services.stt import STTService

logger = logging.getLogger(__name__)

MESSAGE_SECS = 0.02
"""Audio is sent in messages no shorter than this, however short a client's are."""

MAX_WAITING_SECS = 10.0
"""Audio that waits for a connection; beyond it the oldest is dropped."""

KEEPALIVE_SECS = 4.0
"""Vendors hang up after some seconds without audio."""

_FINALIZE = b""
"""Stands among the audio for the request to finalize."""


class Heard(NamedTuple):
    """What a message says.

    Attributes:
        text: What was said; empty if nothing was.
        is_final: Whether that is settled.
        language: BCP 47 code, where the service tells.
        error: What the service could not do; None if all is well.
    """

    text: str = ""
    is_final: bool = False
    language: str | None = None
    error: str | None = None


class StreamingSTTService(STTService):
    """Sends microphone audio as it comes, and pushes what comes back. Subclasses know the messages.

    The connection is opened with a caller's first audio, and again when it is lost: what is said
    meanwhile waits. When voice activity detection hears a pause, the service is asked to settle
    what it has heard.

    Attributes:
        num_dropped_secs: Audio that was dropped because there was no connection for so long.
    """

    handles = (STTUpdateSettingsFrame, EndFrame)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.num_dropped_secs = 0.0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._message = bytearray()
        self._message_bytes = num_bytes(MESSAGE_SECS, self.sample_rate, 1)
        self._max_waiting_bytes = num_bytes(MAX_WAITING_SECS, self.sample_rate, 1)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._paused_at: float | None = None
        self._num_misunderstood = 0
        self._is_refused = False

    @abstractmethod
    def url(self) -> str:
        """Return where to connect; what is behind its `?` is told to nobody."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Return the handshake's headers, the key among them."""

    @abstractmethod
    def read(self, message: dict[str, Any]) -> Heard | None:
        """Return what a message says; None if it is about nothing of ours.

        Raises:
            ValueError, KeyError, TypeError, IndexError: It is not what the vendor says it sends.
        """

    @property
    @abstractmethod
    def finalize_message(self) -> str:
        """Asks to settle what has been heard."""

    @property
    @abstractmethod
    def keepalive_message(self) -> str:
        """Keeps the connection open without audio."""

    @property
    @abstractmethod
    def close_message(self) -> str:
        """Says goodbye."""

    async def cleanup(self) -> None:
        self._hang_up()
        await super().cleanup()

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            self._take(self._to_service(frame))
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._settle()
        elif isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame | CancelFrame):
            self._hang_up()
            self._normalizer = StreamNormalizer(self.sample_rate, 1)
            self._is_refused = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, EndFrame):
            self._hang_up()
            self.push(frame, direction)
        else:
            await super().process_frame(frame, direction)
            self._hang_up()  # The next audio opens a connection with the new settings.

    def _take(self, pcm: bytes) -> None:
        self._message += pcm
        if len(self._message) < self._message_bytes or self._is_refused:
            return
        self._put(bytes(self._message))
        self._message.clear()
        if self._task is None:
            self._task = self.create_task(self._run(), "speech-to-text")

    def _settle(self) -> None:
        if self._task is None:
            return
        self._paused_at = self._require_setup().clock.now()
        if self._message:
            self._put(bytes(self._message))
            self._message.clear()
        self._put(_FINALIZE)

    def _put(self, message: bytes) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        while self._waiting_bytes > self._max_waiting_bytes:
            dropped_bytes = len(self._waiting.popleft())
            self._waiting_bytes -= dropped_bytes
            self.num_dropped_secs += duration_secs(dropped_bytes, self.sample_rate, 1)
        self._news.set()

    def _hang_up(self) -> None:
        """End the connection; nothing of what waits is for the next one."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._message.clear()
        self._paused_at = None

    async def _run(self) -> None:
        backoff = Backoff()
        is_told = False
        while True:
            try:
                socket = await open_socket(self.name, self.url(), self.headers())
            except RefusedError as exc:
                self.report_error(str(exc), exc)
                self._is_refused = True
                return
            except ServiceError as exc:
                if not is_told:  # One report for each outage.
                    is_told = True
                    self.report_error(str(exc), exc)
                await asyncio.sleep(backoff.next_secs())
                continue
            backoff.reset()
            is_told = False
            async with socket:
                await self._converse(socket)
            logger.info("%s: the connection was lost, and is opened again", self.name)
            await asyncio.sleep(backoff.next_secs())

    async def _converse(self, socket: ClientConnection) -> None:
        """Send and listen until the connection is lost."""
        tasks = [
            asyncio.ensure_future(self._send(socket)),
            asyncio.ensure_future(self._listen(socket)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            try:
                async with asyncio.timeout(1.0):
                    await socket.send(self.close_message)
            except (ConnectionClosed, TimeoutError):
                logger.debug("%s: gone before it was said goodbye to", self.name)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._waiting:
                    message = self._waiting.popleft()
                    self._waiting_bytes -= len(message)
                    await socket.send(message or self.finalize_message)
                self._news.clear()
                try:
                    async with asyncio.timeout(KEEPALIVE_SECS):
                        await self._news.wait()
                except TimeoutError:
                    await socket.send(self.keepalive_message)
        except ConnectionClosed:
            return

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                heard = self._understand(message)
                if heard is None:
                    continue
                if heard.error is not None:
                    self.report_error(f"{self.name}: {heard.error}")
                self._tell(heard)
        except ConnectionClosed:
            return

    def _tell(self, heard: Heard) -> None:
        if heard.is_final and heard.text.strip() and self._paused_at is not None:
            self.report_metric("ttfb_secs", self._require_setup().clock.now() - self._paused_at)
            self._paused_at = None
        self.push_transcription(heard.text, is_final=heard.is_final, language=heard.language)

    def _understand(self, message: str | bytes) -> Heard | None:
        try:
            return self.read(as_object(message))
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            if not self._num_misunderstood:
                logger.warning("%s: a message is not understood: %s", self.name, type(exc).__name__)
            self._num_misunderstood += 1
            return None
