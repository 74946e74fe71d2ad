"""A pipeline that calls a server, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.transports.client import Echo, Recorder, Served, eventually, serving
from tests.transports.fakes import tone
from voicewire.errors import ConfigurationError, ConnectError
from voicewire.frames import (
    EndFrame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.transports import WebsocketClientParams, WebsocketClientTransport
from voicewire.transports.outgoing import connect
from voicewire.transports.settings import ConnectionSettings

pytestmark = pytest.mark.anyio

RATE = 16_000


class Caller:
    """A pipeline behind a client transport."""

    def __init__(self, url: str, **params: Any) -> None:
        settings = {
            "audio_in_enabled": True,
            "audio_out_enabled": True,
            "audio_out_sample_rate": RATE,
            **params,
        }
        self.transport = WebsocketClientTransport(
            url, WebsocketClientParams.model_validate(settings)
        )
        self.heard = Recorder()
        self.task = PipelineTask(
            Pipeline([self.transport.input(), self.heard, self.transport.output()])
        )
        self.events: list[str] = []
        for name in ("on_connected", "on_disconnected"):
            self.transport.add_event_handler(name, self._note(name))

    def _note(self, name: str) -> Any:
        async def note(transport: Any, connection: Any) -> None:
            self.events.append(name)

        return note

    @property
    def pcm(self) -> bytes:
        return b"".join(frame.audio for frame in self.heard.of(InputAudioRawFrame))


@asynccontextmanager
async def calling(url: str, **params: Any) -> AsyncIterator[Caller]:
    caller = Caller(url, **params)
    run = asyncio.ensure_future(PipelineRunner(handle_sigint=False).run(caller.task))
    try:
        await eventually(lambda: "on_connected" in caller.events or run.done())
        yield caller
    finally:
        await caller.task.cancel()
        await asyncio.wait_for(run, 10)


async def test_what_it_says_is_heard_and_what_it_hears_is_what_was_said() -> None:
    pcm = tone(0.4, sample_rate=RATE)
    async with (
        serving(Echo(), audio_out_sample_rate=RATE) as served,
        calling(served.url) as caller,
    ):
        await caller.task.queue_frame(OutputAudioRawFrame(pcm, RATE, 1))
        await eventually(lambda: len(caller.pcm) >= len(pcm))
        assert caller.pcm[: len(pcm)] == pcm
        assert caller.transport.client is not None
        assert caller.transport.client.is_open
    assert caller.events == ["on_connected", "on_disconnected"]


async def test_audio_is_paced_as_from_a_microphone() -> None:
    async with serving() as served, calling(served.url) as caller:
        await caller.task.queue_frame(OutputAudioRawFrame(bytes(2 * RATE * 5), RATE, 1))
        await asyncio.sleep(0.5)
        heard = served.heard.of(InputAudioRawFrame)
        secs = sum(len(frame.audio) for frame in heard) / (2 * RATE)
        assert 0.2 < secs < 1.0


async def test_messages_go_both_ways() -> None:
    async with serving(rtvi=None) as served, calling(served.url) as caller:
        await caller.task.queue_frame(OutputTransportMessageFrame({"ask": 1}))
        await eventually(lambda: bool(served.heard.of(InputTransportMessageFrame)))
        await served.say(OutputTransportMessageUrgentFrame({"answer": 2}))
        await eventually(lambda: bool(caller.heard.of(InputTransportMessageFrame)))
    assert [f.message for f in served.heard.of(InputTransportMessageFrame)] == [{"ask": 1}]
    assert [f.message for f in caller.heard.of(InputTransportMessageFrame)] == [{"answer": 2}]


async def test_large_messages_arrive_whole() -> None:
    text = "x" * 60_000
    async with serving(rtvi=None) as served, calling(served.url) as caller:
        await caller.task.queue_frame(OutputTransportMessageFrame({"text": text}))
        await eventually(lambda: bool(served.heard.of(InputTransportMessageFrame)))
        await served.say(OutputTransportMessageFrame({"text": text}))
        await eventually(lambda: bool(caller.heard.of(InputTransportMessageFrame)))
    (frame,) = caller.heard.of(InputTransportMessageFrame)
    assert frame.message == {"text": text}


async def test_the_pipeline_ends_when_the_server_hangs_up() -> None:
    async with serving() as served:
        caller = Caller(served.url)
        run = asyncio.ensure_future(PipelineRunner(handle_sigint=False).run(caller.task))
        await eventually(lambda: bool(caller.events))
        await served.say(EndFrame())
        await asyncio.wait_for(run, 10)
    assert caller.events == ["on_connected", "on_disconnected"]


async def test_an_end_of_its_own_says_goodbye_when_all_is_said() -> None:
    pcm = tone(0.5, sample_rate=RATE)
    async with serving() as served:
        caller = Caller(served.url)
        run = asyncio.ensure_future(PipelineRunner(handle_sigint=False).run(caller.task))
        await eventually(lambda: bool(caller.events))
        await caller.task.queue_frames([OutputAudioRawFrame(pcm, RATE, 1), EndFrame()])
        await asyncio.wait_for(run, 10)
        await served.happened("disconnected", 0)
        heard = b"".join(frame.audio for frame in served.heard.of(InputAudioRawFrame))
    assert heard == pcm


async def test_the_handshake_carries_headers_and_the_query() -> None:
    async with serving() as served:
        url = f"{served.url}/talk?token=secret"
        async with calling(url, headers={"X-Who": "Ada"}):
            await served.happened("connected", 0)
            client = served.client
            assert (client.path, client.query["token"]) == ("/talk", "secret")
            assert client.headers["x-who"] == "Ada"


async def test_a_server_that_is_not_there_ends_the_pipeline_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caller = Caller("ws://127.0.0.1:1")
    await asyncio.wait_for(PipelineRunner(handle_sigint=False).run(caller.task), 10)
    assert "connection refused" in caplog.text
    assert caller.events == []


async def test_a_refusal_says_its_status() -> None:
    async with serving(on_second_client="reject") as served, calling(served.url):
        with pytest.raises(ConnectError, match="HTTP 503") as caught:
            await connect(served.url)
        assert caught.value.status == 503


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


@asynccontextmanager
async def serving_one(handle: Handle) -> AsyncIterator[str]:
    """Serve one TCP connection, and leave when it is over; its address without the scheme."""
    is_over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handle(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        is_over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await is_over.wait()


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000, b""],
    ids=["another protocol", "no upgrade", "no end", "hangs up"],
)
async def test_what_is_no_websocket_server_is_an_error(answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with serving_one(reply) as address:
        with pytest.raises(ConnectError):
            await connect(f"ws://{address}", timeout_secs=5)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving_one(say_nothing) as address:
        with pytest.raises(ConnectError, match=r"within 0\.1 s"):
            await connect(f"ws://{address}", timeout_secs=0.1)


async def test_a_server_without_tls_is_no_server_for_wss() -> None:
    async def answer_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving_one(answer_plainly) as address:
        with pytest.raises(ConnectError):
            await connect(f"wss://{address}")


@pytest.mark.parametrize("url", ["http://localhost", "localhost:8765", ""])
async def test_what_is_no_address_is_an_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="WebSocket address"):
        await connect(url)


async def test_messages_beyond_the_limit_close_the_connection() -> None:
    async with serving(rtvi=None) as served, calling(served.url, max_message_bytes=2048) as caller:
        await served.say(OutputTransportMessageFrame({"text": "x" * 5000}))
        await eventually(lambda: "on_disconnected" in caller.events)


async def test_both_sides_are_asked_for_a_sign_of_life() -> None:
    async with (
        serving(ping_interval_secs=0.05, ping_timeout_secs=0.5) as served,
        calling(served.url, ping_interval_secs=0.05, ping_timeout_secs=0.5) as caller,
    ):
        await asyncio.sleep(1.0)
        assert caller.events == ["on_connected"]


async def test_early_messages_of_the_server_are_not_lost() -> None:
    def greet(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def on_client_connected(transport: Any, client: Any) -> None:
            await served.say(OutputTransportMessageUrgentFrame({"hello": "you"}))

    async with serving(prepare=greet, rtvi=None) as served, calling(served.url) as caller:
        await eventually(lambda: bool(caller.heard.of(InputTransportMessageFrame)))


async def test_a_connection_may_be_used_without_a_pipeline() -> None:
    async with serving() as served:
        connection = await connect(served.url, settings=ConnectionSettings())
        assert connection.is_open
        connection.close()
        await connection.wait_closed()
        await served.happened("disconnected", 0)
