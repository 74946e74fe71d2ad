"""Each session ends for one reason, and none is forgotten."""

import asyncio
import sys
from collections import Counter

import pytest

from tests.rtvi.test_transport import Client
from tests.sessions.serving import echo, run_pipeline, voice_server
from tests.sessions.test_neighbours import stall
from tests.transports.client import RATE, Caller, eventually
from tests.transports.fakes import tone
from voicewire import (
    BaseTransport,
    ClientConnection,
    EndFrame,
    Frame,
    FrameDirection,
    Limits,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VoiceServer,
)
from voicewire.pipeline import InlineProcessor
from voicewire.sessions.ends import EndReason, reason_of_close

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Conversation(InlineProcessor):
    """Asks and answers when it is told to."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)

    def ask(self) -> None:
        self.push(UserStartedSpeakingFrame())

    def answer(self, pcm: bytes) -> None:
        self.push(UserStoppedSpeakingFrame())
        self.push(OutputAudioRawFrame(pcm, RATE, 1))


async def ended(server: VoiceServer, *reasons: EndReason) -> None:
    """Check that the sessions that are over have ended so."""
    await eventually(lambda: server.session_counts.ended == Counter(reasons))


async def test_a_question_under_way_is_answered_before_the_goodbye() -> None:
    conversation = Conversation()
    pcm = tone(0.3)

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, conversation)

    async with (
        voice_server(bot, audio_out_sample_rate=RATE) as server,
        Caller(server.url) as caller,
    ):
        await eventually(lambda: server.sessions and server.sessions[0].transport.has_begun)
        conversation.ask()
        stopping = asyncio.create_task(server.stop(drain_secs=10))
        await asyncio.sleep(0.2)
        assert server.session_counts.live == 1
        conversation.answer(pcm)
        await stopping
        await caller.closed()

        assert caller.pcm == pcm
        assert (caller.close_code, caller.close_reason) == (1001, "the server is going away")
        await ended(server, EndReason.DRAINED)


async def test_a_question_that_takes_too_long_is_cut() -> None:
    conversation = Conversation()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, conversation)

    async with voice_server(bot) as server, Caller(server.url) as caller:
        await eventually(lambda: server.sessions and server.sessions[0].transport.has_begun)
        conversation.ask()
        await server.stop(drain_secs=0.1)
        assert (await caller.closed())[0] == 1001
        await ended(server, EndReason.DRAIN_TIME_UP)


@pytest.mark.parametrize("is_own", [True, False])
async def test_clients_that_understand_it_are_told_by_when_the_server_leaves(is_own: bool) -> None:
    conversation = Conversation()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, conversation)

    async with voice_server(bot) as server, Client(server.url) as client:
        hello = {"version": "2.1.0", "voicewire": {"flush": True}} if is_own else {}
        await client.ask("client-ready", hello)
        await client.hears("bot-ready")
        conversation.ask()
        stopping = asyncio.create_task(server.stop(drain_secs=8))
        told = (await client.hears("vw-goaway" if is_own else "server-message"))[0]["data"]
        conversation.answer(tone(0.1))
        await stopping

    words = {"within_secs": 8, "reason": "the server is going away"}
    assert told == (words if is_own else {"type": "goaway", **words})


async def test_a_client_that_has_said_no_hello_is_not_told() -> None:
    async with voice_server() as server, Client(server.url) as client:
        await eventually(lambda: server.sessions and server.sessions[0].transport.has_begun)
        await server.stop(drain_secs=5)
        await client.closed()
        assert client.told == []


@pytest.mark.parametrize("wish", [SystemExit, KeyboardInterrupt])
async def test_a_handler_that_wants_to_exit_ends_its_own_session_alone(
    wish: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def bot(transport: SessionTransport) -> None:
        @transport.event_handler("on_client_connected")
        async def leave(_: BaseTransport, client: ClientConnection) -> None:
            if client.path == "/exit":
                raise wish

        await echo(transport)

    async with voice_server(bot) as server, Caller(f"{server.url}/good") as good:
        async with Caller(f"{server.url}/exit") as bad:
            assert (await bad.closed())[0] == 1011
        await ended(server, EndReason.BOT_FAILED)
        await good.speak(tone(0.1))
        await good.heard(len(tone(0.1)))

    assert f"a handler of 'on_client_connected' raised {wish.__name__}" in caplog.text


async def test_every_session_that_was_begun_is_live_or_has_one_reason_for_its_end() -> None:
    async def bot(transport: SessionTransport) -> None:
        if transport.client.path == "/fail":
            raise ValueError("a fault of the bot")
        if transport.client.path == "/exit":
            sys.exit(3)
        if transport.client.path == "/end":
            transport.output()
            transport.event_handler("on_client_connected")(end)
        await echo(transport)

    async def end(transport: BaseTransport, client: ClientConnection) -> None:
        transport.input().push(EndFrame(), FrameDirection.UPSTREAM)

    async with voice_server(bot, limits=Limits(max_session_secs=1.0)) as server:
        for path, reason in [
            ("/fail", EndReason.BOT_FAILED),
            ("/exit", EndReason.BOT_FAILED),
            ("/end", EndReason.BOT_FINISHED),
            ("/leave", EndReason.CALLER_LEFT),
            ("/lose", EndReason.CONNECTION_LOST),
            ("/overstay", EndReason.TIME_UP),
        ]:
            before = server.session_counts.ended
            async with Caller(server.url + path) as caller:
                await eventually(lambda: server.sessions)
                if path == "/lose":
                    caller.socket.transport.abort()
                elif path != "/leave":
                    await caller.closed()
            await ended(server, *before.elements(), reason)
        async with Caller(server.url):
            await eventually(lambda: server.sessions)
            counts = server.session_counts
            assert (counts.started, counts.live, counts.ended.total()) == (7, 1, 6)
            await server.stop()
        counts = server.session_counts
        assert (counts.started, counts.live, counts.ended.total()) == (7, 0, 7)
        assert counts.ended[EndReason.SERVER_STOPPED] == 1


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        (1006, "connection lost", EndReason.CONNECTION_LOST),
        (1011, "ping timeout", EndReason.CONNECTION_LOST),
        (1013, "you do not read what is sent to you", EndReason.CALLER_LAGGED),
        (1009, "", EndReason.CALLER_REFUSED),
        (1011, "internal error", EndReason.BOT_FAILED),
        (1000, "", EndReason.CALLER_LEFT),
        (4321, "", EndReason.CALLER_LEFT),
    ],
)
def test_a_close_tells_its_reason(code: int, words: str, reason: EndReason) -> None:
    assert reason_of_close(code, words) is reason


async def test_a_longest_time_that_passes_during_the_goodbye_is_not_the_reason() -> None:
    async def pour(transport: SessionTransport) -> None:
        task = PipelineTask(Pipeline([transport.input(), transport.output()]))

        @transport.event_handler("on_client_connected")
        async def send(_: BaseTransport, client: ClientConnection) -> None:
            for _number in range(100):
                await task.queue_frame(OutputTransportMessageFrame("x" * 60_000))

        await PipelineRunner().run(task)

    limits = Limits(max_session_secs=0.5)
    async with voice_server(pour, limits=limits, audio_out_max_lag_secs=0.1) as server:
        _, deaf = await stall(server.url)
        await eventually(lambda: server.stats.lagging_clients)
        await asyncio.sleep(0.5)
        deaf.transport.abort()
        await ended(server, EndReason.CALLER_LAGGED)
