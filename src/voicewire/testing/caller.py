"""A caller in real time: a microphone that says what it is told, and a loudspeaker that is honest.

What a test of a bot needs where a browser would be too slow: the wire is the real one.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import duration_secs, num_bytes
from voicewire.serializers.protos import frames_pb2 as proto

logger = logging.getLogger(__name__)

MICROPHONE_RATE = 16000
CHUNK_SECS = 0.02
REPORT_SECS = 0.1
JITTER_SECS = 0.06
"""What the player gathers before it begins."""

FULL_SCALE_SILENCE = 200
"""Samples below this, of 32,768, are no speech."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that a caller has been told, and when, in seconds of their call."""

    at_secs: float
    kind: str
    data: dict[str, Any]


@dataclass
class _Player:
    """Plays what has come, in real time, and knows how far it is."""

    sample_rate: int = 24000
    pcm: bytearray = field(default_factory=bytearray)
    """Of the present stream, from its beginning."""
    began_at: float | None = None
    played_before_bytes: int = 0
    """Up to where it had played when it ran dry."""

    def add(self, pcm: bytes, sample_rate: int, now: float) -> None:
        self.sample_rate = sample_rate
        if self.began_at is None or self.position_bytes(now) >= len(self.pcm):
            self.played_before_bytes = len(self.pcm)
            self.began_at = now + JITTER_SECS
        self.pcm += pcm

    def position_bytes(self, now: float) -> int:
        if self.began_at is None or now <= self.began_at:
            return self.played_before_bytes
        since_bytes = num_bytes(now - self.began_at, self.sample_rate, 1)
        return min(len(self.pcm), self.played_before_bytes + since_bytes)

    def secs(self, size: int) -> float:
        return duration_secs(size, self.sample_rate, 1)


class SimulatedCaller:
    """Calls a bot.

    ::

        async with SimulatedCaller("ws://localhost:8765") as caller:
            await caller.wait_for("bot-stopped-speaking")
            await caller.say(pcm)
            answer = await caller.wait_for("bot-output", after=caller.now())

    Args:
        url: Of the server.
        can_flush: Whether it speaks voicewire's extension of RTVI, as our own client does: drops
            what it has not played when it is told to, and says what it has played. Otherwise all
            that comes is played, as by Pipecat's client.

    Attributes:
        told: Every message of RTVI, in order.
        audio_at: When each audio message has come, in seconds of the call.
        played: Whole streams as far as they were played: mono s16le at `sample_rate`.
    """

    def __init__(self, url: str, *, can_flush: bool = True) -> None:
        self.told: list[Heard] = []
        self.audio_at: list[float] = []
        self.played: list[bytes] = []
        self._url = url
        self._can_flush = can_flush
        self._microphone: deque[bytes] = deque()
        self._is_muted = False
        self._said = asyncio.Event()
        self._news = asyncio.Event()
        self._player = _Player()
        self._stream_id = 0
        self._socket: ClientConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._began_at = 0.0

    @property
    def sample_rate(self) -> int:
        """Hertz of `played`."""
        return self._player.sample_rate

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, compression=None)
        self._began_at = time.monotonic()
        extension = {"flush": True, "playout": True, "cut": True} if self._can_flush else {}
        library = "voicewire-client" if self._can_flush else "simulated-caller"
        await self._send(
            "client-ready",
            {"version": "2.1.0", "about": {"library": library}, "voicewire": extension},
        )
        self._listening = asyncio.ensure_future(self._listen())
        for task in (self._speak(), self._report()):
            self._tasks.append(asyncio.ensure_future(task))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end_stream()
        if self._socket is not None and self._listening is not None:
            await self._socket.close()  # Its answer comes behind audio, which has to be read.
            await asyncio.gather(self._listening, return_exceptions=True)

    def now(self) -> float:
        """Return the seconds since the call began."""
        return time.monotonic() - self._began_at

    def start_saying(self, pcm: bytes) -> None:
        """Say something from now on, behind what is being said: mono s16le at 16 kHz."""
        size = num_bytes(CHUNK_SECS, MICROPHONE_RATE, 1)
        self._microphone += [pcm[at : at + size] for at in range(0, len(pcm), size)]
        self._said.clear()

    async def say(self, pcm: bytes) -> float:
        """Say something to its end, and return when the last sample that is no silence went out."""
        self.start_saying(pcm)
        await self._said.wait()
        return self.now() - trailing_silence_secs(pcm)

    def mute(self, *, is_muted: bool) -> None:
        """Send nothing of the microphone while it is muted."""
        self._is_muted = is_muted

    async def send_text(self, text: str) -> None:
        """Write instead of speaking."""
        await self._send("send-text", {"content": text})

    async def ask(self, kind: str, data: Any = None) -> Any:
        """Send a message of the application's own kind; return what it answers.

        Raises:
            TimeoutError: It does not.
        """
        asked_at = self.now()
        await self._send("client-message", {"t": kind, "d": data})
        answer = await self.wait_for("server-response", after=asked_at)
        return answer.data["d"]

    async def wait_for(
        self,
        kind: str,
        *,
        after: float = 0.0,
        where: Callable[[dict[str, Any]], bool] = lambda data: True,
        within_secs: float = 20.0,
    ) -> Heard:
        """Return the first message of a kind that came after a moment of the call.

        Raises:
            TimeoutError: There is none within `within_secs`.
        """
        try:
            async with asyncio.timeout(within_secs):
                while True:
                    for heard in self.told:
                        if heard.kind == kind and heard.at_secs > after and where(heard.data):
                            return heard
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            kinds = [(round(each.at_secs, 2), each.kind) for each in self.told[-12:]]
            raise TimeoutError(f"no {kind} after {after:.2f} s; the last were {kinds}") from None

    async def wait_for_audio(self, *, after: float = 0.0, within_secs: float = 20.0) -> float:
        """Return when the first audio came after a moment of the call.

        Raises:
            TimeoutError: None did within `within_secs`.
        """
        async with asyncio.timeout(within_secs):
            while not self.audio_at or self.audio_at[-1] <= after:
                self._news.clear()
                await self._news.wait()
        return next(at for at in self.audio_at if at > after)

    async def wait_until_silent(self, secs: float = 0.5, *, within_secs: float = 30.0) -> float:
        """Return when the bot's last audio came, once none has come for `secs`."""
        async with asyncio.timeout(within_secs):
            while True:
                since_secs = self.now() - self.audio_at[-1] if self.audio_at else 0.0
                if since_secs >= secs:
                    return self.audio_at[-1]
                await asyncio.sleep(secs - since_secs)

    def said_by_bot(self, *, after: float = 0.0) -> str:
        """Return the sentences that the bot has said to their end since a moment of the call."""
        return " ".join(
            each.data["text"]
            for each in self.told
            if each.kind == "bot-output"
            and each.data.get("spoken_status") == "completed"
            and each.at_secs > after
        )

    def understood(self, *, after: float = 0.0) -> str:
        """Return what the bot has understood since a moment of the call."""
        return " ".join(
            each.data["text"]
            for each in self.told
            if each.kind == "user-transcription" and each.data["final"] and each.at_secs > after
        )

    async def _listen(self) -> None:
        assert self._socket is not None
        try:
            async for message in self._socket:
                assert isinstance(message, bytes)
                frame = proto.Frame.FromString(message)
                if frame.HasField("audio"):
                    audio = frame.audio
                    self.audio_at.append(self.now())
                    self._news.set()
                    self._player.add(audio.audio, audio.sample_rate, time.monotonic())
                elif frame.HasField("message"):
                    await self._take(json.loads(frame.message.data))
        except ConnectionClosed as closed:
            logger.debug("the bot has hung up: %s", closed)
        self.told.append(Heard(self.now(), "closed", {}))
        self._news.set()

    async def _take(self, message: dict[str, Any]) -> None:
        kind, data = message["type"], message.get("data") or {}
        if kind == "vw-flush":
            ended_id = self._stream_id
            position_secs = self._end_stream()
            self._stream_id = data["stream_id"]
            await self._report_playout(ended_id, position_secs, 0.0)
        self.told.append(Heard(self.now(), kind, data))
        self._news.set()

    def _end_stream(self) -> float:
        player = self._player
        position_bytes = player.position_bytes(time.monotonic())
        self.played.append(bytes(player.pcm[: position_bytes - position_bytes % 2]))
        self._player = _Player(player.sample_rate)
        return player.secs(position_bytes)

    async def _speak(self) -> None:
        silence = bytes(num_bytes(CHUNK_SECS, MICROPHONE_RATE, 1))
        next_at = time.monotonic()
        while True:
            chunk = self._microphone.popleft() if self._microphone else silence
            if not self._is_muted:
                audio = proto.AudioRawFrame(
                    audio=chunk, sample_rate=MICROPHONE_RATE, num_channels=1
                )
                await self._send_frame(proto.Frame(audio=audio))
            if not self._microphone:
                self._said.set()
            next_at += CHUNK_SECS
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))

    async def _report(self) -> None:
        while self._can_flush:
            await asyncio.sleep(REPORT_SECS)
            player = self._player
            position_bytes = player.position_bytes(time.monotonic())
            if player.pcm:
                await self._report_playout(
                    self._stream_id,
                    player.secs(position_bytes),
                    player.secs(len(player.pcm) - position_bytes),
                )

    async def _report_playout(
        self, stream_id: int, played_secs: float, buffered_secs: float
    ) -> None:
        if self._can_flush:
            await self._send(
                "vw-playout",
                {
                    "stream_id": stream_id,
                    "played_ms": played_secs * 1000,
                    "buffered_ms": buffered_secs * 1000,
                },
            )

    async def _send(self, kind: str, data: dict[str, Any]) -> None:
        message = {"label": "rtvi-ai", "type": kind, "id": "0", "data": data}
        text = json.dumps(message)
        await self._send_frame(proto.Frame(message=proto.MessageFrame(data=text)))

    async def _send_frame(self, frame: proto.Frame) -> None:
        assert self._socket is not None
        await self._socket.send(frame.SerializeToString())


def trailing_silence_secs(pcm: bytes) -> float:
    """Return how long the end of a recording is silent: mono s16le at 16 kHz."""
    samples = memoryview(pcm).cast("h")
    for index in range(len(samples) - 1, -1, -1):
        if abs(samples[index]) > FULL_SCALE_SILENCE:
            return (len(samples) - 1 - index) / MICROPHONE_RATE
    return len(samples) / MICROPHONE_RATE
