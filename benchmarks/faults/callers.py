"""A well-behaved caller of either server, and one that comes back after a loss."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.bots.numbered import BLOCK_SECS, SAMPLE_RATE, Heard, blocks
from voicewire.audio.pcm import duration_secs
from voicewire.serializers.protos import frames_pb2 as proto

PATIENCE_SECS = 5.0
"""How long anything may take that a caller waits for."""

HELLO_SECS = 3.0
"""How long a client waits for what it could come back by."""

OVERTAKING_SECS = 0.3
"""Messages overtake audio on its way through a pipeline."""

RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: what is closed is reset."""


class Arrival(NamedTuple):
    """A message of audio: when it came, monotonic, and how long it lasts, in seconds."""

    at: float
    secs: float


def audio_message(first: int, num_blocks: int = 1) -> bytes:
    """Return numbered blocks as a message."""
    pcm = blocks(first, num_blocks)
    audio = proto.AudioRawFrame(audio=pcm, sample_rate=SAMPLE_RATE, num_channels=1)
    return proto.Frame(audio=audio).SerializeToString()


def json_message(content: dict[str, Any]) -> bytes:
    """Return what JSON can hold, as a message."""
    return proto.Frame(message=proto.MessageFrame(data=json.dumps(content))).SerializeToString()


def say(first: int, num_blocks: int, *, pieces: int = 1, every_secs: float = 0.0) -> bytes:
    """Return the wish that the bot says something.

    Args:
        first: Number of the first block.
        num_blocks: Of each piece.
        pieces: How many the bot is handed.
        every_secs: How often it is handed one.
    """
    wish = {"type": "say", "first": first, "blocks": num_blocks}
    return json_message(wish | {"pieces": pieces, "every_secs": every_secs})


async def eventually(condition: Callable[[], object], within_secs: float = PATIENCE_SECS) -> bool:
    """Return whether a condition has come to hold in time."""
    ends_at = time.monotonic() + within_secs
    while not condition():
        if time.monotonic() > ends_at:
            return False
        await asyncio.sleep(0.005)
    return True


def gaps_ms(arrivals: list[Arrival], since: float, until: float) -> list[float]:
    """Return the times between messages that came within a window."""
    within = [each.at for each in arrivals if since <= each.at <= until]
    return [1000 * (after - before) for before, after in pairwise(within)]


def longest_silence_secs(arrivals: list[Arrival]) -> float:
    """Return how long a player that plays what comes has had nothing to play, at most."""
    silence = ends_at = 0.0
    for at, secs in arrivals:
        if ends_at:
            silence = max(silence, at - ends_at)
        ends_at = max(ends_at, at) + secs
    return silence


class Caller:
    """A caller who speaks numbered blocks and notes what comes back.

    Attributes:
        arrivals: The audio messages that have come.
        heard: Which blocks were in them.
        told: The other messages, decoded.
        close_code: Once the connection is closed; 1006 where nobody has said why.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.arrivals: list[Arrival] = []
        self.heard = Heard()
        self.told: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._socket: Socket | None = None
        self._readers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.hang_up()

    async def hang_up(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            _drop(self._socket)
        if self._readers:
            await asyncio.wait(self._readers)

    @property
    def is_there(self) -> bool:
        """Whether the connection is open."""
        return self._socket is not None and self.close_code is None

    async def connect(self, query: str = "") -> None:
        """Connect."""
        self._socket = await connect(
            self.url + query,
            compression=None, proxy=None, ping_interval=None, max_size=None,
            open_timeout=2 * PATIENCE_SECS,
        )  # fmt: skip
        self.close_code = None
        self._readers.append(asyncio.create_task(self._read(self._socket)))

    async def send(self, message: bytes | str) -> None:
        """Send a message, if the connection is there."""
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(message)

    async def speak(self, first: int, num_blocks: int) -> None:
        """Say blocks, as fast as they are spoken."""
        due_at = time.monotonic()
        for number in range(first, first + num_blocks):
            await self.send(audio_message(number))
            due_at += BLOCK_SECS
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))

    async def is_answered(self, first: int, num_blocks: int = 10) -> bool:
        """Return whether the bot says what it hears, soon."""
        await self.speak(first, num_blocks)
        return await eventually(lambda: self.heard.missing(range(first, first + num_blocks)) == 0)

    async def ask_what_was_heard(self, first: int, num_blocks: int) -> dict[str, Any]:
        """Return what the bots of the server's process have missed of some blocks."""
        await asyncio.sleep(OVERTAKING_SECS)
        wish = {"type": "heard", "first": first, "blocks": num_blocks}
        await self.send(json_message(wish))
        await eventually(lambda: any("missing" in each for each in self.told))
        return next((each for each in self.told if "missing" in each), {})

    def reset(self) -> None:
        """End the connection by TCP's RST."""
        assert self._socket is not None
        sock = self._socket.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        _drop(self._socket)

    async def _read(self, source: Socket) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in source:
                now = time.monotonic()
                if isinstance(message, bytes) and source is self._socket:
                    self.take(proto.Frame.FromString(message), now)
        if source is self._socket:
            self.close_code = source.close_code or 1006

    def take(self, frame: proto.Frame, now: float) -> None:
        """Take note of a message."""
        if frame.WhichOneof("frame") == "audio":
            pcm = frame.audio.audio
            self.heard.add(pcm)
            self.arrivals.append(Arrival(now, duration_secs(len(pcm), SAMPLE_RATE, 1)))
        elif frame.WhichOneof("frame") == "message":
            self.told.append(json.loads(frame.message.data))


class ResumingCaller(Caller):
    """A caller who comes back by `vw-resume`, where the server knows that (docs/rtvi.md)."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.token = ""
        self._num_received = 0
        self._sent: list[bytes] = []
        self._is_away = False
        self._lost: list[Socket] = []

    async def say_hello(self) -> None:
        """Say what this client can, and wait for what it comes back by."""
        data = {"version": "2.1.0", "voicewire": {"flush": True, "resume": True}}
        hello = {"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": data}
        await self.send(json_message(hello))
        await eventually(lambda: self.token, HELLO_SECS)

    async def send(self, message: bytes | str) -> None:
        """Send a message; while away, it waits where it can be sent later."""
        assert isinstance(message, bytes)
        if not self._is_away or self.token:
            self._sent.append(message)
        if not self._is_away:
            await super().send(message)

    def lose_network(self) -> None:
        """Hear and say nothing more by this connection; the server is not told."""
        assert self._socket is not None
        self._is_away = True
        self._socket.transport.pause_reading()
        self._lost.append(self._socket)
        self._socket = None

    async def come_back(self) -> None:
        """Connect again, and let each end repeat what the other has not got."""
        query = f"?resume={self.token}&received={self._num_received}" if self.token else ""
        self.token, told = "", len(self.told)
        await self.connect(query)
        if query:
            await eventually(lambda: self.token)
            (answer,) = (m for m in self.told[told:] if m.get("type") == "vw-resume")
            position = int(answer["data"]["received"])
            while position < len(self._sent):
                await super().send(self._sent[position])
                position += 1
        self._is_away = False

    def take(self, frame: proto.Frame, now: float) -> None:
        super().take(frame, now)
        last = self.told[-1] if frame.WhichOneof("frame") == "message" else {}
        if last.get("type") == "vw-resume":
            self.token = last["data"]["token"]
        else:
            self._num_received += 1

    async def hang_up(self) -> None:
        """Let go of all connections, those that were lost too."""
        for each in self._lost:
            _drop(each)
        await super().hang_up()


def _drop(connection: Socket) -> None:
    if not connection.transport.is_closing():  # asyncio's do not bear an abort after the end.
        connection.transport.abort()
