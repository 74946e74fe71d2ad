"""A client that comes back, written with nothing but `websockets`."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

import numpy as np
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.transports.client import eventually, json_message
from voicewire.serializers.protos import frames_pb2 as proto

RATE = 16_000
PACKET = 320
"""Samples."""


class ResumingClient:
    """A client as the page on RTVI describes it; nothing of it is voicewire's.

    Attributes:
        bot_audio: The samples that have come, in order.
        told: The messages that have come.
        texts: What has come that is no protobuf.
        num_renewals: How often another process has gone on with the conversation.
    """

    def __init__(self, url: str, *, shows: str = "") -> None:
        self.bot_audio: list[int] = []
        self.told: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.num_renewals = 0
        self.token = ""
        self.url = url
        self.headers = {"Authorization": f"Bearer {shows}"} if shows else {}
        self.num_received = 0
        self.num_acknowledged = 0
        self.sent: list[bytes] = []
        self.is_in_time = asyncio.Event()
        self.close_code: int | None = None
        self.socket: Socket | None = None
        self._sockets: list[Socket] = []
        self._readers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._connect("")
        await self.say_hello()
        await eventually(lambda: self.token)
        await eventually(lambda: self.of("bot-ready"))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for socket in self._sockets:
            await socket.close()
        await asyncio.gather(*self._readers)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.told if each["type"] == kind]

    async def say_hello(self) -> None:
        hello = {"version": "2.1.0", "voicewire": {"flush": True, "resume": True}}
        await self.ask("client-ready", hello)

    async def ask(self, kind: str, data: Any = None) -> None:
        content = {"label": "rtvi-ai", "type": kind, "id": "m1", "data": data}
        await self.send(json_message(json.dumps(content)))

    async def send(self, message: bytes) -> None:
        """Send a message, now or when the connection is there again."""
        self.sent.append(message)
        if self.socket is not None:
            try:
                await self.socket.send(message)
            except ConnectionClosed:
                self.socket = None

    async def speak(self, first: int, num_packets: int) -> None:
        """Say samples that count up from `first`."""
        for at in range(first, first + num_packets * PACKET, PACKET):
            pcm = np.arange(at, at + PACKET).astype("<i2").tobytes()
            audio = proto.AudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1)
            await self.send(proto.Frame(audio=audio).SerializeToString())
            await asyncio.sleep(0.005)

    def lose_connection(self) -> None:
        """Lose it as a network does: no goodbye, and what was on its way is gone."""
        assert self.socket is not None
        self.socket.transport.abort()
        self.socket = None

    async def come_back(self, *, token: str | None = None) -> None:
        """Connect by the token and repeat what the server has not got."""
        await self._connect(f"/?resume={token or self.token}&received={self.num_received}")
        self.is_in_time.clear()
        async with asyncio.timeout(5.0):
            await self.is_in_time.wait()

    async def _connect(self, target: str) -> None:
        self.close_code = None
        socket = await connect(
            f"{self.url}{target}",
            additional_headers=self.headers,
            compression=None,
            proxy=None,
        )
        if not target:
            self.socket = socket
        self._sockets.append(socket)
        self._readers.append(asyncio.create_task(self._read(socket)))

    async def _read(self, socket: Socket) -> None:
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    await self._take(proto.Frame.FromString(message), socket)
                else:
                    self.texts.append(message)
                    self.num_received += 1
        except ConnectionClosed:
            pass
        if socket is self._sockets[-1]:
            self.close_code = socket.close_code
            self.is_in_time.set()

    async def _take(self, frame: proto.Frame, socket: Socket) -> None:
        if frame.WhichOneof("frame") == "audio":
            self.bot_audio += np.frombuffer(frame.audio.audio, "<i2").tolist()
        else:
            content = json.loads(frame.message.data)
            if content["type"] == "vw-resume":  # The one message that does not count.
                if content["data"].get("renewed"):
                    await self._begin_anew(socket)
                    return
                self.token = content["data"]["token"]
                if self.socket is None:
                    for each in self.sent[content["data"]["received"] :]:
                        await socket.send(each)
                    self.socket = socket
                self.is_in_time.set()
                return
            if content["type"] == "vw-pong":
                self.num_acknowledged = content["data"]["received"]
            self.told.append(content)
        self.num_received += 1

    async def _begin_anew(self, socket: Socket) -> None:
        """Go on with another process: what the one before has not acknowledged is for it."""
        unsent = self.sent[self.num_acknowledged :]
        self.num_renewals += 1
        self.num_received = self.num_acknowledged = 0
        self.sent = []
        self.socket = socket
        await self.say_hello()
        for each in unsent:
            if b'"vw-' not in each and b"client-ready" not in each:
                await self.send(each)
        self.is_in_time.set()
