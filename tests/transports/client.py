"""Real sockets: a served pipeline, and a caller written with nothing but `websockets`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import parse_wav
from voicewire.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from voicewire.pipeline import (
    FrameDirection,
    InlineProcessor,
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    Processor,
)
from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.transports import ClientConnection, WebsocketServerParams, WebsocketServerTransport

SPEECH = Path(__file__).parents[1] / "data" / "speech"

PATIENCE_SECS = 10.0
"""How long anything may take that is expected to happen."""

RATE = 16000


async def eventually(condition: Callable[[], object], within_secs: float = PATIENCE_SECS) -> None:
    """Return as soon as `condition` holds; fail if it never does."""
    async with asyncio.timeout(within_secs):
        while not condition():  # noqa: ASYNC110 - a condition, whoever makes it true
            await asyncio.sleep(0.005)


class Recorder(InlineProcessor):
    """Keeps what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.frames.append(frame)
        self.push(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def names(self, *kinds: type[Frame]) -> list[str]:
        return [type(frame).__name__ for frame in self.frames if isinstance(frame, kinds)]


class Echo(InlineProcessor):
    """Says what it hears."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.push(OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels))


@dataclass
class Served:
    """A pipeline that runs, with what has happened on it.

    Attributes:
        heard: What passes behind the input.
        said: What passes behind the output.
        events: The transport's events in their order, with the client's number.
    """

    transport: WebsocketServerTransport
    task: PipelineTask
    heard: Recorder
    said: Recorder
    events: list[tuple[str, int]] = field(default_factory=list)
    clients: list[ClientConnection] = field(default_factory=list)
    run: "asyncio.Task[None] | None" = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.transport.port}"

    @property
    def client(self) -> ClientConnection:
        return self.clients[-1]

    async def finished(self) -> None:
        """Return when the pipeline has ended."""
        assert self.run is not None
        await asyncio.wait_for(self.run, PATIENCE_SECS)

    async def say(self, *frames: Frame) -> None:
        await self.task.queue_frames(frames)

    async def happened(self, event: str, number: int) -> None:
        """Return when a client's event has been announced."""
        await eventually(lambda: (event, number) in self.events)

    def note(self, event: str, client: ClientConnection) -> None:
        if client not in self.clients:
            self.clients.append(client)
        self.events.append((event, self.clients.index(client)))


@asynccontextmanager
async def serving(
    *processors: Processor,
    pipeline_params: PipelineParams | None = None,
    port: int = 0,
    behind: Processor | None = None,
    prepare: Callable[[Served], None] = lambda served: None,
    **params: Any,
) -> AsyncIterator[Served]:
    """Serve `processors` on a free port; `params` are the transport's.

    `behind` stands behind the output. `prepare` may add handlers before the pipeline starts.
    """
    settings = {"audio_in_enabled": True, "audio_out_enabled": True, **params}
    transport = WebsocketServerTransport(
        host="127.0.0.1", port=port, params=WebsocketServerParams.model_validate(settings)
    )
    heard, said = Recorder(), Recorder()
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                heard,
                *processors,
                transport.output(),
                said,
                *([behind] if behind is not None else []),
            ]
        ),
        params=pipeline_params,
    )
    served = Served(transport, task, heard, said)
    ready = asyncio.Event()

    @transport.event_handler("on_websocket_ready")
    async def on_ready(_: WebsocketServerTransport) -> None:
        ready.set()

    @transport.event_handler("on_client_connected")
    async def on_connected(_: WebsocketServerTransport, client: ClientConnection) -> None:
        served.note("connected", client)

    @transport.event_handler("on_client_disconnected")
    async def on_disconnected(_: WebsocketServerTransport, client: ClientConnection) -> None:
        served.note("disconnected", client)

    @transport.event_handler("on_session_timeout")
    async def on_timeout(_: WebsocketServerTransport, client: ClientConnection) -> None:
        served.note("timeout", client)

    prepare(served)
    runner = PipelineRunner(handle_sigint=False)
    served.run = run = asyncio.create_task(runner.run(task))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((run, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if not ready.is_set():
            await run
        yield served
        await task.cancel()
        await served.finished()
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


class Caller:
    """A client of the protobuf wire, as anybody could write one. Reads all the time.

    ::

        async with Caller(served.url) as caller:
            await caller.speak(pcm)
            await eventually(lambda: caller.pcm)
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        self._options = {"compression": None, "proxy": None, **options}
        self.messages: list[proto.Frame] = []
        self.arrivals: list[float] = []
        self.began_at = 0.0

    async def __aenter__(self) -> Self:
        self.socket: Socket = await connect(self._url, **self._options)
        self.began_at = time.monotonic()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.socket.close()
        await self._reader

    @property
    def audio(self) -> list[proto.AudioRawFrame]:
        return [frame.audio for frame in self.messages if frame.WhichOneof("frame") == "audio"]

    @property
    def pcm(self) -> bytes:
        return b"".join(audio.audio for audio in self.audio)

    @property
    def close_code(self) -> int | None:
        return self.socket.close_code

    @property
    def close_reason(self) -> str | None:
        return self.socket.close_reason

    async def send(self, message: bytes | str | list[bytes]) -> None:
        await self.socket.send(message)

    async def speak(
        self, pcm: bytes, *, sample_rate: int = RATE, num_channels: int = 1, message_secs: float = 1
    ) -> None:
        """Send audio as fast as it goes, in messages of `message_secs`."""
        step = round(message_secs * sample_rate) * num_channels * 2
        for offset in range(0, len(pcm), step):
            await self.send(audio_message(pcm[offset : offset + step], sample_rate, num_channels))

    async def heard(self, num_bytes: int = 1) -> None:
        """Return when so much audio has come."""
        await eventually(lambda: len(self.pcm) >= num_bytes)

    async def closed(self) -> tuple[int | None, str | None]:
        """Return code and reason when the server has closed the connection."""
        await asyncio.wait_for(self.socket.wait_closed(), PATIENCE_SECS)
        await self._reader
        return self.close_code, self.close_reason

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self.socket:
                assert isinstance(message, bytes)
                self.arrivals.append(time.monotonic() - self.began_at)
                self.messages.append(proto.Frame.FromString(message))


def audio_message(pcm: bytes, sample_rate: int = RATE, num_channels: int = 1) -> bytes:
    audio = proto.AudioRawFrame(audio=pcm, sample_rate=sample_rate, num_channels=num_channels)
    return proto.Frame(audio=audio).SerializeToString()


def json_message(text: str) -> bytes:
    return proto.Frame(message=proto.MessageFrame(data=text)).SerializeToString()


def speech(name: str) -> tuple[bytes, int, int]:
    """Return a real recording's `(pcm, sample_rate, num_channels)`."""
    return parse_wav((SPEECH / f"{name}.wav").read_bytes())
