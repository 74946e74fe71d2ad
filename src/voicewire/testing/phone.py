"""A telephone call in real time, as a provider hands it on."""

import asyncio
import logging
import time
from collections import deque
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from voicewire.audio.pcm import num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.testing.caller import MICROPHONE_RATE, trailing_silence_secs
from voicewire.testing.phone_lines import Message, Order, PhoneLine

logger = logging.getLogger(__name__)

PACKET_SECS = 0.02


class SimulatedPhone:
    """Calls a bot by way of a provider.

    ::

        async with SimulatedPhone("ws://localhost:8765/twilio", TwilioLine()) as phone:
            await phone.wait_until_silent()
            await phone.say(pcm)

    Args:
        url: Of the server, with the path of the provider's wire.
        line: The provider.
        subprotocol: What is asked for in the handshake; None asks for nothing.

    Attributes:
        orders: All but audio that the server has sent, with the seconds of the call.
        played: What the caller has heard: mono s16le at the line's rate, silence left out.
        heard_at: When something was heard last, in seconds of the call; 0 before.
        is_over: Whether the call has ended.
    """

    def __init__(self, url: str, line: PhoneLine, *, subprotocol: str | None = None) -> None:
        self.line = line
        self.orders: list[tuple[float, Order]] = []
        self.played = bytearray()
        self.heard_at = 0.0
        self.is_over = False
        self._url = url
        self._subprotocols = None if subprotocol is None else [Subprotocol(subprotocol)]
        self._to_say: deque[bytes] = deque()
        self._to_play: deque[Order] = deque()
        self._has_said = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._talking: asyncio.Task[None] | None = None
        self._began_at = 0.0
        self._packet_bytes = num_bytes(PACKET_SECS, line.sample_rate, 1)

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, compression=None, subprotocols=self._subprotocols)
        self._began_at = time.monotonic()
        for message in self.line.opening():
            await self._socket.send(message)
        self._listening = asyncio.ensure_future(self._listen())
        self._talking = asyncio.ensure_future(self._talk())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._socket is not None
        assert self._listening is not None
        assert self._talking is not None
        self._talking.cancel()
        tasks = asyncio.gather(self._listening, self._talking, return_exceptions=True)
        await self._socket.close()  # Its answer comes behind audio, which has to be read.
        for failure in await tasks:
            if isinstance(failure, Exception) and exception is None:
                raise failure

    def now(self) -> float:
        """Return the seconds since the call began."""
        return time.monotonic() - self._began_at

    def start_saying(self, pcm: bytes) -> None:
        """Say something from now on: mono s16le at 16 kHz."""
        normalizer = StreamNormalizer(self.line.sample_rate, 1)
        pcm = normalizer.process(pcm, MICROPHONE_RATE, 1) + normalizer.flush()
        size = self._packet_bytes
        self._to_say += [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]
        self._has_said.clear()

    async def say(self, pcm: bytes) -> float:
        """Say something to its end; return when the last sample that is no silence went out."""
        self.start_saying(pcm)
        await self._has_said.wait()
        return self.now() - trailing_silence_secs(pcm)

    async def press(self, keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self._send(self.line.key(key))

    async def hang_up(self) -> None:
        """Hang up: the provider says so, where it has a message for it, and closes."""
        message = self.line.hanging_up()
        if message is not None:
            await self._send(message)
        assert self._socket is not None
        await self._socket.close()

    async def wait_until_heard(self, *, after: float = 0.0, within_secs: float = 20.0) -> None:
        """Return when the caller hears something after a moment of the call.

        Raises:
            TimeoutError: They hear nothing within `within_secs`.
        """
        async with asyncio.timeout(within_secs):
            while self.heard_at <= after:  # noqa: ASYNC110 - it is looked at 50 times a second
                await asyncio.sleep(PACKET_SECS)

    async def wait_until_silent(self, secs: float = 0.6, *, within_secs: float = 30.0) -> None:
        """Return when the caller has heard something, and nothing more for `secs`."""
        async with asyncio.timeout(within_secs):
            while not self.heard_at or self.now() - self.heard_at < secs:  # noqa: ASYNC110
                await asyncio.sleep(PACKET_SECS)

    async def wait_until_over(self, *, within_secs: float = 20.0) -> None:
        """Return when the server has ended the call."""
        async with asyncio.timeout(within_secs):
            while not self.is_over:  # noqa: ASYNC110 - as above
                await asyncio.sleep(PACKET_SECS)

    async def _listen(self) -> None:
        assert self._socket is not None
        try:
            async for message in self._socket:
                for order in self.line.read(message):
                    await self._take(order)
        except ConnectionClosed as closed:
            logger.debug("the server has closed: %s", closed)
        self.is_over = True

    async def _take(self, order: Order) -> None:
        if order.kind != "audio":
            self.orders.append((self.now(), order))
        if order.kind == "clear":
            dropped = [each for each in self._to_play if each.kind == "mark"]
            self._to_play.clear()
            if self.line.returns_cleared_marks:
                for mark in dropped:
                    await self._reach(mark)
        elif order.kind == "hang_up":
            await self.hang_up()
        elif order.kind == "mark" and not self._to_play:
            await self._reach(order)
        elif order.kind in ("audio", "mark"):
            self._to_play.append(order)

    async def _talk(self) -> None:
        """Say and play a packet, fifty times a second."""
        silence = bytes(self._packet_bytes)
        next_at = time.monotonic()
        try:
            while True:
                await self._send(
                    self.line.speech(self._to_say.popleft() if self._to_say else silence)
                )
                if not self._to_say:
                    self._has_said.set()
                await self._play(self._packet_bytes)
                next_at += PACKET_SECS
                await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        except ConnectionClosed:
            self._has_said.set()

    async def _play(self, size: int) -> None:
        """Play so many bytes, and say which marks are in them."""
        while self._to_play:
            order = self._to_play[0]
            if order.kind == "mark":
                self._to_play.popleft()
                await self._reach(order)
                continue
            if size == 0:
                return
            self._to_play.popleft()
            heard, rest = order.pcm[:size], order.pcm[size:]
            size -= len(heard)
            self.played += heard
            if any(heard):
                self.heard_at = self.now()
            if rest:
                self._to_play.appendleft(Order("audio", rest))

    async def _reach(self, mark: Order) -> None:
        message = self.line.mark(mark.name)
        if message is not None:
            await self._send(message)

    async def _send(self, message: Message) -> None:
        assert self._socket is not None
        await self._socket.send(message)
