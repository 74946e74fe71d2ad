"""A whole server: whatever one caller sends, the other callers are served as before."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from websockets.frames import Frame

from fuzz.inputs import Message, split_messages
from tests.simulation.caller import CHUNK_BYTES, VirtualCaller
from tests.simulation.complaints import Complaints
from tests.simulation.loop import LoopClock, SimulatedLoop
from tests.transports.client import Echo
from voicewire import (
    BaseTransport,
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.serializers.dialects import all_dialects
from voicewire.serializers.protos import frames_pb2 as proto

WORDS = random.Random(1).randbytes(CHUNK_BYTES)
"""What the neighbour says, to hear it again."""

ANSWER_SECS = 1.0
END_SECS = 40.0
"""After which nothing may be left of a caller: more than pings, goodbyes and handlers take."""

STEP_SECS = 0.25


class ServerTarget(ABC):
    """Lets a fuzzer call a server that has another caller, an honest one.

    The server stays from one input to the next. Time is simulated, so nothing is waited for.
    """

    def __init__(self) -> None:
        self._loop = SimulatedLoop()
        self._rng = random.Random(1)
        self._complaints = Complaints()
        self._complaints.__enter__()
        clock = LoopClock(self._loop)

        async def echo(transport: BaseTransport) -> None:
            pipeline = Pipeline([transport.input(), Echo(), transport.output()])
            params = PipelineParams(audio_out_sample_rate=16000)
            await PipelineRunner().run(PipelineTask(pipeline, params=params, clock=clock))

        params = WebsocketServerParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            dialects=all_dialects(),
            talk_page=False,  # Its files are read in threads, for which simulated time has no room.
        )
        self._server = VoiceServer(echo, host="127.0.0.1", port=0, params=params, clock=clock)
        self._loop.run_until_complete(self._open())

    def __call__(self, data: bytes) -> None:
        """Run one input.

        Raises:
            AssertionError: It has done harm.
        """
        self._loop.run_until_complete(self._serve(data))

    def close(self) -> None:
        """Stop the server."""
        self._loop.run_until_complete(self._server.stop())
        self._loop.close()
        self._complaints.__exit__()

    @abstractmethod
    async def start(self, data: bytes) -> "Stranger":
        """Call, and send what the input says."""

    async def _open(self) -> None:
        await self._server.start()
        self._neighbour = VirtualCaller(self._loop, self._rng, "/", "10.0.0.1")
        self._neighbour.weather.delay_secs = 0.001
        self._neighbour.shake_hands()
        await asyncio.sleep(ANSWER_SECS)
        self._tasks = asyncio.all_tasks()

    async def _serve(self, data: bytes) -> None:
        stranger = await self.start(data)
        await asyncio.sleep(STEP_SECS)
        await self._check_neighbour()
        stranger.reset()
        await self._wait_until_nothing_is_left()
        await self._check_neighbour()
        self._check_complaints()

    async def _check_neighbour(self) -> None:
        neighbour = self._neighbour
        assert neighbour.is_open, f"another caller was closed: {neighbour.close_codes}"
        neighbour.said.clear()
        neighbour.heard = [bytearray()]
        neighbour.speak(WORDS)
        for _ in range(round(ANSWER_SECS / STEP_SECS)):
            await asyncio.sleep(STEP_SECS)
            if neighbour.heard[0]:
                break
        assert bytes(neighbour.heard[0]) == WORDS, "another caller hears something else"

    async def _wait_until_nothing_is_left(self) -> None:
        ends_at = self._loop.time() + END_SECS
        while self._loop.time() < ends_at:
            left = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
            if not left and len(self._server.sessions) == 1:
                return
            await asyncio.sleep(STEP_SECS)
        raise AssertionError(f"left behind: {self._server.sessions}, {left}")

    def _check_complaints(self) -> None:
        assert not self._loop.failures, str(self._loop.failures)
        assert not self._complaints.texts, "\n".join(self._complaints.texts)
        refused = self._server.stats.messages_refused
        assert "serializer_failed" not in refused, "a serializer has raised"


class Stranger(Protocol):
    """Who sends what the fuzzer says."""

    def reset(self) -> None:
        """Be gone."""


class _Deaf:
    """Takes no notice of what comes."""

    def received(self, data: bytes) -> None:
        """Whatever it is."""

    def ended(self, *, is_reset: bool) -> None:
        """It has been told goodbye."""


class _DeafCaller(VirtualCaller):
    """Speaks WebSocket, but does not understand what it is told."""

    def take(self, frame: Frame) -> None:
        """Whatever it is."""


class SocketTarget(ServerTarget):
    """Sends the input to the port as it is; its first byte says in pieces of which size.

    Args:
        head: Sent before it.
    """

    def __init__(self, head: bytes = b"") -> None:
        super().__init__()
        self._head = head

    async def start(self, data: bytes) -> Stranger:
        link = self._loop.call(_Deaf(), ip="10.0.0.2")
        if self._head:
            link.send(self._head)
        piece_bytes = data[0] if data[:1] > b"\0" else len(data) + 1
        for at in range(1, len(data), piece_bytes):
            link.send(data[at : at + piece_bytes])
        return link


class MessageTarget(ServerTarget):
    """Sends the messages of the input to a path.

    Args:
        path: Where a session is asked for.
        wrap: Makes of a text message what goes over the wire.
    """

    def __init__(self, path: str, wrap: Callable[[str], Message] = lambda text: text) -> None:
        super().__init__()
        self._path = path
        self._wrap = wrap

    async def start(self, data: bytes) -> Stranger:
        caller = _DeafCaller(self._loop, self._rng, self._path, "10.0.0.2")
        caller.weather.delay_secs = 0.001
        caller.shake_hands()
        await asyncio.sleep(STEP_SECS)
        for message in split_messages(data):
            caller.send(self._wrap(message) if isinstance(message, str) else message)
        return caller


def wrapped_in_protobuf(text: str) -> bytes:
    """Return the message of Pipecat's wire that carries JSON."""
    return proto.Frame(message=proto.MessageFrame(data=text)).SerializeToString()
