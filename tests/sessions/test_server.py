"""Many callers on one port, over real sockets."""

import asyncio
import random
import sys
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.sessions.serving import echo, run_pipeline, voice_server
from tests.simulation.caller import VirtualCaller
from tests.simulation.loop import LoopClock, SimulatedLoop
from tests.transports.client import RATE, Caller, Recorder, eventually
from tests.transports.fakes import tone
from voicewire import (
    AddressInUseError,
    BaseTransport,
    ClientConnection,
    ConfigurationError,
    EndFrame,
    InputAudioRawFrame,
    Limits,
    OutputAudioRawFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.sessions import session as session_module

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def http_status(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


async def test_each_caller_hears_their_own_echo() -> None:
    tones = [tone(0.2, start_secs=each / 3000) for each in range(5)]

    async with voice_server() as server:
        callers = [Caller(server.url) for _ in tones]
        for caller in callers:
            await caller.__aenter__()
        for caller, pcm in zip(callers, tones, strict=True):
            await caller.speak(pcm)
        for caller, pcm in zip(callers, tones, strict=True):
            await caller.heard(len(pcm))
            assert caller.pcm == pcm
        for caller in callers:
            await caller.__aexit__(None, None, None)


async def test_the_bot_knows_its_caller_before_it_makes_a_pipeline() -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    async def bot(transport: SessionTransport) -> None:
        client = transport.client
        seen.append((client.path, dict(client.query)))
        await echo(transport)

    async with voice_server(bot) as server, Caller(f"{server.url}/pirate?ship=3"):
        await eventually(lambda: seen)

    assert seen == [("/pirate", {"ship": "3"})]


async def test_what_a_caller_says_before_the_pipeline_runs_is_not_lost() -> None:
    begin = asyncio.Event()
    heard = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await begin.wait()
        await run_pipeline(transport, heard)

    async with voice_server(bot) as server, Caller(server.url) as caller:
        pcm = tone(0.5)
        await caller.speak(pcm)
        begin.set()
        await eventually(lambda: b"".join(f.audio for f in heard.of(InputAudioRawFrame)) == pcm)


async def test_a_visit_is_announced_from_its_beginning_to_its_end() -> None:
    events: list[str] = []

    async def bot(transport: SessionTransport) -> None:
        @transport.event_handler("on_websocket_ready")
        async def ready(_: BaseTransport) -> None:
            events.append("ready")

        @transport.event_handler("on_client_connected")
        async def connected(_: BaseTransport, client: ClientConnection) -> None:
            assert client is transport.client
            events.append("connected")

        @transport.event_handler("on_client_disconnected")
        async def disconnected(_: BaseTransport, client: ClientConnection) -> None:
            events.append("disconnected")

        @transport.event_handler("on_session_timeout")
        async def timeout(_: BaseTransport, client: ClientConnection) -> None:
            events.append("timeout")

        await echo(transport)
        events.append("bot has returned")

    async with voice_server(bot, session_timeout=0.05) as server:
        async with Caller(server.url):
            await eventually(lambda: "timeout" in events)
        await eventually(lambda: not server.sessions)

    assert events == ["ready", "connected", "timeout", "disconnected", "bot has returned"]


async def test_a_bot_that_fails_ends_its_own_session_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def bot(transport: SessionTransport) -> None:
        if transport.client.path == "/bad":
            raise ValueError("a fault of the bot")
        if transport.client.path == "/exit":
            sys.exit(3)
        await echo(transport)

    async with voice_server(bot) as server, Caller(f"{server.url}/good") as good:
        for path in ("/bad", "/exit"):
            async with Caller(server.url + path) as bad:
                await bad.closed()
                assert bad.close_code == 1011
        await good.speak(tone(0.1))
        await good.heard(len(tone(0.1)))

    assert "a fault of the bot" in caplog.text


async def test_a_bot_that_returns_says_goodbye() -> None:
    async def bot(transport: SessionTransport) -> None:
        pass

    async with voice_server(bot) as server, Caller(server.url) as caller:
        await caller.closed()
        assert caller.close_code == 1000


async def test_an_end_frame_ends_the_session_when_all_has_been_said() -> None:
    pcm = tone(0.2)

    async def bot(transport: SessionTransport) -> None:
        task = PipelineTask(Pipeline([transport.input(), transport.output()]))

        @transport.event_handler("on_client_connected")
        async def greet(_: BaseTransport, client: ClientConnection) -> None:
            await task.queue_frames([OutputAudioRawFrame(pcm, RATE, 1), EndFrame()])

        await PipelineRunner().run(task)

    async with (
        voice_server(bot, audio_out_sample_rate=RATE) as server,
        Caller(server.url) as caller,
    ):
        await caller.closed()
        assert caller.close_code == 1000
        assert caller.pcm == pcm


async def test_a_bot_that_does_not_notice_that_its_caller_has_left_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session_module, "FINISH_SECS", 0.05)
    cancelled = asyncio.Event()

    async def bot(transport: SessionTransport) -> None:
        try:
            await echo(transport)
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with voice_server(bot) as server:
        async with Caller(server.url):
            await eventually(lambda: server.sessions)
        await eventually(cancelled.is_set)
        await eventually(lambda: not server.sessions)

    assert "the bot was cancelled" in caplog.text


async def test_a_bot_that_starts_no_pipeline_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session_module, "START_SECS", 0.05)

    async def bot(transport: SessionTransport) -> None:
        await asyncio.Event().wait()

    async with voice_server(bot) as server, Caller(server.url) as caller:
        await caller.closed()
        assert caller.close_code == 1011
        await eventually(lambda: not server.sessions)

    assert "no pipeline runs after 0.05 s" in caplog.text


async def test_the_server_ends_all_sessions_when_it_is_left() -> None:
    async with voice_server() as server:
        callers = [Caller(server.url) for _ in range(3)]
        for caller in callers:
            await caller.__aenter__()

    for caller in callers:
        await caller.closed()
        assert caller.close_code == 1001
        await caller.__aexit__(None, None, None)


async def test_draining_lets_bots_finish_what_they_say() -> None:
    pcm = tone(0.6)

    async with voice_server() as server, Caller(server.url) as caller:
        await caller.speak(pcm)
        await caller.heard()
        await server.stop(drain_secs=5)
        await caller.closed()

        assert caller.pcm == pcm
        assert caller.close_code == 1001


async def test_draining_does_not_wait_for_bots_without_a_pipeline() -> None:
    async def bot(transport: SessionTransport) -> None:
        await asyncio.Event().wait()

    async with voice_server(bot) as server, Caller(server.url) as caller:
        await eventually(lambda: server.sessions)
        await asyncio.wait_for(server.stop(drain_secs=60), 5)
        assert (await caller.closed())[0] == 1001


async def test_a_drain_ends_when_its_time_is_up() -> None:
    loop = asyncio.get_running_loop()

    async with voice_server() as server, Caller(server.url) as caller:
        await caller.speak(tone(20.0))
        await caller.heard()
        began_at = loop.time()
        await server.stop(drain_secs=0.2)
        assert 0.2 <= loop.time() - began_at < 10.0


async def test_nobody_gets_in_while_the_server_drains() -> None:
    release = asyncio.Event()

    async def bot(transport: SessionTransport) -> None:
        @transport.event_handler("on_client_disconnected")
        async def hold(_: BaseTransport, client: ClientConnection) -> None:
            await release.wait()

        await echo(transport)

    async with voice_server(bot) as server, Caller(server.url):
        stopping = asyncio.create_task(server.stop(drain_secs=5))
        await asyncio.sleep(0.05)
        with pytest.raises(InvalidStatus) as refused:
            await Caller(server.url).__aenter__()
        assert refused.value.response.status_code == 503
        assert b"the server is going away" in refused.value.response.body
        assert await asyncio.to_thread(http_status, server.port, "/readyz") == 503
        assert await asyncio.to_thread(http_status, server.port, "/healthz") == 200
        release.set()
        await stopping


def test_a_server_that_loses_patience_with_a_vanished_caller_announces_their_going() -> None:
    loop = SimulatedLoop()
    clock = LoopClock(loop)
    events: list[str] = []

    async def bot(transport: BaseTransport) -> None:
        @transport.event_handler("on_client_connected")
        async def come(*_: object) -> None:
            events.append("come")

        @transport.event_handler("on_client_disconnected")
        async def gone(*_: object) -> None:
            events.append("gone")

        pipeline = Pipeline([transport.input(), transport.output()])
        await PipelineRunner().run(PipelineTask(pipeline, clock=clock))

    async def stop_while_goodbye_is_not_answered() -> None:
        params = WebsocketServerParams(audio_out_enabled=True)
        async with VoiceServer(bot, host="127.0.0.1", port=0, params=params, clock=clock) as server:
            caller = VirtualCaller(loop, random.Random(1), "/", "10.0.0.1")  # noqa: S311
            caller.shake_hands()
            await asyncio.sleep(1.0)
            caller.vanish()
            await server.stop(drain_secs=1.0)

    loop.run_until_complete(stop_while_goodbye_is_not_answered())
    loop.close()
    assert events == ["come", "gone"]


async def test_a_second_stop_cuts_a_drain_short() -> None:
    async with voice_server() as server, Caller(server.url) as caller:
        await caller.speak(tone(5.0))
        await caller.heard()
        draining = asyncio.create_task(server.stop(drain_secs=60))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(server.stop(), 5)
        await asyncio.wait_for(draining, 5)


async def test_places_are_given_away_once_even_in_a_burst() -> None:
    async def attempt(url: str) -> Caller | tuple[int, str]:
        caller = Caller(url)
        try:
            await caller.__aenter__()
        except InvalidStatus as refused:
            return refused.response.status_code, refused.response.headers["Retry-After"]
        return caller

    most = 0

    async with voice_server(limits=Limits(max_sessions=7)) as server:
        outcomes = await asyncio.gather(*(attempt(server.url) for _ in range(40)))
        most = len(server.sessions)
        callers = [each for each in outcomes if isinstance(each, Caller)]
        for caller in callers:
            await caller.__aexit__(None, None, None)
        await eventually(lambda: not server.sessions)
        async with Caller(server.url):  # The places are free again.
            pass

    assert most == len(callers) == 7
    assert outcomes.count((503, "5")) == 33


async def test_one_address_has_a_limit_of_its_own() -> None:
    limits = Limits(max_sessions=10, max_sessions_per_ip=1)

    async with voice_server(limits=limits) as server, Caller(server.url):
        with pytest.raises(InvalidStatus) as refused:
            await Caller(server.url).__aenter__()

    assert refused.value.response.status_code == 429


async def test_a_session_has_a_longest_time() -> None:
    async with (
        voice_server(limits=Limits(max_session_secs=0.1)) as server,
        Caller(server.url) as caller,
    ):
        await caller.closed()
        assert caller.close_code == 4002
        await eventually(lambda: not server.sessions)


async def test_what_is_counted_survives_its_session() -> None:
    async with voice_server() as server:
        for _ in range(2):
            async with Caller(server.url) as caller:
                await caller.speak(tone(0.1))
                await caller.heard()
                running = server.stats
                assert running.messages_in
            await eventually(lambda: not server.sessions)

    assert server.stats.clients == 2
    assert server.stats.messages_in > running.messages_in // 2


async def test_callers_wait_until_the_server_is_prepared() -> None:
    order: list[str] = []

    async def prepare() -> None:
        await asyncio.sleep(0.05)
        order.append("prepared")

    async def bot(transport: SessionTransport) -> None:
        order.append("bot")

    server = VoiceServer(bot, host="127.0.0.1", port=0, prepare=prepare)
    starting = asyncio.create_task(server.start())
    await eventually(lambda: server.port)
    async with Caller(server.url) as caller:
        await caller.closed()
    await starting
    await server.stop()

    assert order == ["prepared", "bot"]


async def test_a_server_that_cannot_prepare_gives_its_port_back() -> None:
    async def prepare() -> None:
        raise RuntimeError("no model")

    server = VoiceServer(echo, host="127.0.0.1", port=0, prepare=prepare)
    with pytest.raises(RuntimeError, match="no model"):
        await server.start()
    async with VoiceServer(echo, host="127.0.0.1", port=server.port):
        pass


async def test_a_server_is_started_once() -> None:
    server = VoiceServer(echo, host="127.0.0.1", port=0)
    await server.start()
    with pytest.raises(RuntimeError, match="started once"):
        await server.start()
    await server.stop()
    with pytest.raises(RuntimeError, match="started once"):
        await server.start()


async def test_a_server_that_is_stopped_while_it_prepares_lets_nobody_in() -> None:
    go_on = asyncio.Event()
    server = VoiceServer(echo, host="127.0.0.1", port=0, prepare=go_on.wait)
    starting = asyncio.create_task(server.start())
    await eventually(lambda: server.port)
    await server.stop()
    go_on.set()
    await starting

    with pytest.raises(ConnectionRefusedError):
        await Caller(server.url).__aenter__()


async def test_a_port_in_use_is_an_error_at_once() -> None:
    async with voice_server() as server:
        with pytest.raises(AddressInUseError):
            await VoiceServer(echo, host="127.0.0.1", port=server.port).start()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bot": print}, "expected an `async def` function"),
        ({"bot": echo, "limits": 5}, "expected Limits"),
        ({"bot": echo, "port": 70000}, "expected a number of 0..65535"),
        ({"bot": echo, "params": {}}, "expected WebsocketServerParams"),
        (
            {"bot": echo, "params": WebsocketServerParams(on_second_client="reject")},
            "Limits\\(max_sessions=...\\)",
        ),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        VoiceServer(**arguments)
