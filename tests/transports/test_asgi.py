"""Callers whose WebSocket an ASGI server has accepted: uvicorn, on a real socket."""

import asyncio
import runpy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.sessions.counting import Bots, counting
from tests.sessions.resuming import PACKET, ResumingClient
from tests.sessions.serving import echo, run_pipeline
from tests.sessions.test_taken_up import Remembering
from tests.transports.client import RATE, Caller, Echo, Recorder, audio_message, eventually
from tests.transports.fakes import ToneVAD, tone
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    InputAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import Pipeline, PipelineParams, PipelineRunner, PipelineTask
from voicewire.records import MemorySessionStore
from voicewire.sessions import Limits, SessionTransport, keeper
from voicewire.sessions.asgi import VoiceApp
from voicewire.sessions.ends import EndReason
from voicewire.testing import SimulatedPhone, TwilioLine
from voicewire.transports import WebsocketServerParams
from voicewire.transports.asgi import FastAPIWebsocketParams, FastAPIWebsocketTransport

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"

BOTH_WAYS: dict[str, Any] = {"audio_in_enabled": True, "audio_out_enabled": True}


@asynccontextmanager
async def serving(*routes: BaseRoute) -> AsyncIterator[str]:
    """Serve an application with these routes on a free port; yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    app = Starlette(routes=routes)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


class Endpoint:
    """An endpoint as users of Pipecat write it, and what has happened in it."""

    def __init__(self, *processors: Any, **params: Any) -> None:
        self.events: list[str] = []
        self.heard = Recorder()
        self.transports: list[FastAPIWebsocketTransport] = []
        self.has_returned = asyncio.Event()
        self._processors = processors
        self._params = {**BOTH_WAYS, **params}

    async def talk(self, websocket: WebSocket) -> None:
        await websocket.accept()
        transport = FastAPIWebsocketTransport(
            websocket, FastAPIWebsocketParams.model_validate(self._params)
        )
        self.transports.append(transport)
        for name in ("on_client_connected", "on_client_disconnected", "on_session_timeout"):
            self._note(transport, name)
        pipeline = Pipeline([transport.input(), self.heard, *self._processors, transport.output()])
        task = PipelineTask(pipeline, params=PipelineParams(audio_out_sample_rate=16000))
        await PipelineRunner(handle_sigint=False).run(task)
        self.has_returned.set()

    def _note(self, transport: FastAPIWebsocketTransport, name: str) -> None:
        @transport.event_handler(name)
        async def note(transport: Any, client: Any) -> None:
            self.events.append(name)


async def test_an_endpoint_echoes_and_ends_when_its_caller_leaves() -> None:
    endpoint = Endpoint(Echo())
    async with serving(WebSocketRoute("/ws", endpoint.talk)) as url:
        async with Caller(f"{url}/ws") as caller:
            pcm = tone(0.5)
            await caller.speak(pcm)
            await caller.heard(len(pcm))
            assert caller.pcm == pcm
        await asyncio.wait_for(endpoint.has_returned.wait(), 10.0)
    assert endpoint.events == ["on_client_connected", "on_client_disconnected"]


async def test_voice_activity_is_heard_and_silence_of_the_client_told() -> None:
    endpoint = Endpoint(vad_analyzer=ToneVAD(), session_timeout=0.2)
    async with serving(WebSocketRoute("/ws", endpoint.talk)) as url, Caller(f"{url}/ws") as caller:
        await caller.speak(tone(0.5) + bytes(32000))
        await eventually(lambda: endpoint.heard.of(UserStoppedSpeakingFrame))
        assert len(endpoint.heard.of(UserStartedSpeakingFrame)) == 1
        await eventually(lambda: "on_session_timeout" in endpoint.events)


async def test_a_mounted_bot_serves_many_callers_each_in_their_own_wire() -> None:
    app = VoiceApp(echo, params=WebsocketServerParams(**BOTH_WAYS))
    async with serving(Mount("/voice", app)) as url:
        callers = [Caller(f"{url}/voice/ws") for _ in range(4)]
        for caller in callers:
            await caller.__aenter__()
        tones = [tone(0.2, start_secs=each / 3000) for each in range(4)]
        for caller, pcm in zip(callers, tones, strict=True):
            await caller.speak(pcm)
        async with SimulatedPhone(f"{url}/voice/twilio", TwilioLine()) as phone:
            await phone.say(tone(0.5))
            await phone.wait_until_heard()
            assert len(app.sessions) == 5
        for caller, pcm in zip(callers, tones, strict=True):
            await caller.heard(len(pcm))
            assert caller.pcm == pcm
            await caller.__aexit__(None, None, None)
        await eventually(lambda: not app.sessions)


async def test_callers_beyond_the_limit_are_refused_before_they_are_let_in() -> None:
    app = VoiceApp(echo, params=WebsocketServerParams(**BOTH_WAYS), limits=Limits(max_sessions=1))
    async with serving(Mount("/voice", app)) as url:
        async with Caller(f"{url}/voice/ws"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url}/voice/ws")
            assert refused.value.response.status_code == 503
        await eventually(lambda: not app.sessions)
        async with Caller(f"{url}/voice/ws") as caller:
            await caller.speak(tone(0.1))
            await caller.heard(3200)


async def test_a_client_that_loses_its_connection_comes_back_to_its_session() -> None:
    bots = Bots()
    app = VoiceApp(bots, params=WebsocketServerParams(**BOTH_WAYS), limits=Limits(max_sessions=2))
    async with (
        serving(Mount("/voice", app)) as url,
        ResumingClient(f"{url}/voice/ws") as client,
    ):
        bots.counter.say(1.0)
        for number in range(3):
            await client.speak(number * 8 * PACKET, 4)
            client.lose_connection()
            await client.speak((number * 8 + 4) * PACKET, 4)
            await asyncio.sleep(0.1)
            await client.come_back()
        await eventually(lambda: len(bots.heard_samples()) == 24 * PACKET)
        assert bots.heard_samples() == counting(24 * PACKET)
        await eventually(lambda: len(client.bot_audio) == RATE)
        assert client.bot_audio == counting(RATE)
        assert (bots.num_called, len(app.sessions)) == (1, 1)
        await client.come_back(token="nobody")  # noqa: S106 - it is none
        assert client.close_code == 4004
    await eventually(lambda: not app.sessions)
    assert app.session_counts.ended == {EndReason.CALLER_LEFT: 1}


async def test_who_does_not_come_back_is_waited_for_no_longer_than_the_window() -> None:
    params = WebsocketServerParams(**BOTH_WAYS, resume_window_secs=0.2)
    app = VoiceApp(Bots(), params=params)
    async with serving(Mount("/voice", app)) as url:
        async with ResumingClient(f"{url}/voice/ws") as client:
            client.lose_connection()
            await asyncio.sleep(0.1)
            assert len(app.sessions) == 1
            await eventually(lambda: not app.sessions)
        assert app.session_counts.ended == {EndReason.CONNECTION_LOST: 1}


async def test_another_application_goes_on_with_what_has_been_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "SAVE_SECS", 0.01)
    first, second = Remembering(), Remembering()
    params = WebsocketServerParams(**BOTH_WAYS, session_store=MemorySessionStore())
    async with (
        serving(
            Mount("/one", VoiceApp(first, params=params)),
            Mount("/two", VoiceApp(second, params=params)),
        ) as url,
        ResumingClient(f"{url}/one/ws") as client,
    ):
        await client.ask("client-message", {"t": "note", "d": "one"})
        await eventually(lambda: first.notes() == ["one"])
        await asyncio.sleep(0.2)
        client.lose_connection()
        client.url = f"{url}/two/ws"
        await client.come_back()
        await client.ask("client-message", {"t": "note", "d": "two"})
        await eventually(lambda: "two" in second.notes())
        assert second.notes()[0] == "one"


async def test_an_asgi_server_that_ends_tells_its_callers() -> None:
    app = VoiceApp(echo, params=WebsocketServerParams(**BOTH_WAYS))
    async with serving(Mount("/voice", app)) as url:
        caller = Caller(f"{url}/voice/ws")
        await caller.__aenter__()
        await caller.speak(tone(0.1))
        await caller.heard(3200)
    assert (await caller.closed())[0] == 1012
    await eventually(lambda: not app.sessions)
    await caller.__aexit__(None, None, None)


async def test_a_page_of_somebody_else_is_refused() -> None:
    app = VoiceApp(echo, params=WebsocketServerParams(**BOTH_WAYS))
    async with serving(Mount("/voice", app)) as url:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{url}/voice/ws", origin=Origin("https://evil.example"))
        assert refused.value.response.status_code == 403


async def test_a_bot_that_fails_ends_its_own_session_alone() -> None:
    async def bot(transport: SessionTransport) -> None:
        if transport.client.path == "/bad":
            raise ValueError("a fault of the bot")
        await echo(transport)

    app = VoiceApp(bot, params=WebsocketServerParams(**BOTH_WAYS))
    async with serving(Mount("/voice", app)) as url, Caller(f"{url}/voice/good") as good:
        async with Caller(f"{url}/voice/bad") as bad:
            await bad.closed()
            assert bad.close_code == 1011
        await good.speak(tone(0.1))
        await good.heard(3200)


async def test_a_bot_that_returns_says_goodbye() -> None:
    async def bot(transport: SessionTransport) -> None:
        """Has nothing to say."""

    app = VoiceApp(bot, params=WebsocketServerParams(**BOTH_WAYS))
    async with serving(Mount("/voice", app)) as url, Caller(f"{url}/voice/ws") as caller:
        assert (await caller.closed())[0] == 1000


async def test_a_client_that_does_not_read_is_bounded_and_closed() -> None:
    endpoint = Endpoint(
        Echo(),
        audio_out_max_lag_secs=0.3,
        audio_in_max_ahead_secs=600.0,
        audio_out_sample_rate=48000,
        audio_out_channels=2,
    )
    async with serving(WebSocketRoute("/ws", endpoint.talk)) as url:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        async with connect(f"{url}/ws", sock=deaf, max_queue=1, close_timeout=0.1) as client:
            await client.send(audio_message(tone(30.0)))
            await eventually(lambda: endpoint.transports)
            (transport,) = endpoint.transports
            await eventually(lambda: transport.stats.lagging_clients == 1, 20.0)
        await asyncio.wait_for(endpoint.has_returned.wait(), 15.0)


async def test_bad_messages_are_counted_and_harm_nobody() -> None:
    endpoint = Endpoint(Echo(), max_message_bytes=4096)
    async with serving(WebSocketRoute("/ws", endpoint.talk)) as url, Caller(f"{url}/ws") as caller:
        await caller.send(b"\xff\xff")
        await caller.send("text")
        await caller.speak(tone(0.1))
        await caller.heard(3200)
        (transport,) = endpoint.transports
        assert sum(transport.stats.messages_refused.values()) == 2
        await caller.send(bytes(5000))
        assert (await caller.closed())[0] == 1009


async def test_what_was_said_before_the_pipeline_ran_is_not_lost() -> None:
    begin = asyncio.Event()
    heard = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await begin.wait()
        await run_pipeline(transport, heard)

    app = VoiceApp(bot, params=WebsocketServerParams(**BOTH_WAYS))
    async with serving(Mount("/voice", app)) as url, Caller(f"{url}/voice/ws") as caller:
        pcm = tone(0.5)
        await caller.speak(pcm)
        await asyncio.sleep(0.1)
        begin.set()
        await eventually(lambda: b"".join(f.audio for f in heard.of(InputAudioRawFrame)) == pcm)


async def test_the_example_mounts_a_bot_in_fastapi() -> None:
    example = runpy.run_path(str(EXAMPLES / "fastapi_app.py"), run_name="example")
    async with serving(Mount("/", example["app"])) as url, Caller(f"{url}/voice/ws") as caller:
        await caller.speak(tone(0.5))
        await eventually(lambda: len(caller.pcm) > 16000)
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url.replace('ws', 'http', 1)}/callers")
        assert answer.json() == 1


def test_wrong_parameters_are_an_error_that_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"expected FastAPIWebsocketParams\(\.\.\.\)"):
        FastAPIWebsocketTransport(object(), 5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="async def"):
        VoiceApp(5)  # type: ignore[arg-type]
