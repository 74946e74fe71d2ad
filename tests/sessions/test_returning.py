"""A client of our own that loses its connection and comes back, over real sockets."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.sessions.counting import Bots, counting
from tests.sessions.relay import relay_to
from tests.sessions.resuming import RATE
from tests.sessions.serving import run_pipeline, voice_server
from tests.sessions.test_garbage import nothing_for_the_collector
from tests.sessions.test_taken_up import Remembering
from tests.transports.client import Recorder, eventually, serving
from tests.transports.fakes import ToneVAD, tone
from voicewire import (
    HandshakeRequest,
    Identity,
    LLMContext,
    MemorySessionStore,
    OneTimeTokens,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    RawFrameSerializer,
    RTVIParams,
    SessionTransport,
    StaticTokens,
    VoiceServer,
    WebsocketClientParams,
    WebsocketClientTransport,
    WebsocketServerParams,
)
from voicewire.frames import (
    EndFrame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.sessions import keeper
from voicewire.transports import returning
from voicewire.transports.websocket_client import FindServer

pytestmark = pytest.mark.anyio

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of these tests

EVENTS = ("on_connected", "on_lost", "on_renewed", "on_resumed", "on_disconnected")


class Caller:
    """A pipeline that calls, with what has come of it.

    Attributes:
        events: Of its transport, in their order.
        num_said: Samples so far, which count up.
    """

    def __init__(self, uri: str | FindServer, *, window_secs: float = 10.0, **params: Any) -> None:
        settings = {
            "audio_in_enabled": True,
            "audio_out_enabled": True,
            "audio_out_sample_rate": RATE,
            "resume_window_secs": window_secs,
            **params,
        }
        self.transport = WebsocketClientTransport(
            uri, WebsocketClientParams.model_validate(settings)
        )
        self.heard = Recorder()
        self.task = PipelineTask(
            Pipeline([self.transport.input(), self.heard, self.transport.output()])
        )
        self.run = asyncio.ensure_future(PipelineRunner(handle_sigint=False).run(self.task))
        self.events: list[str] = []
        self.num_said = 0
        for name in EVENTS:
            self.transport.add_event_handler(name, self._note(name))

    def _note(self, name: str) -> Any:
        async def note(transport: Any, connection: Any) -> None:
            assert connection is not None
            self.events.append(name)

        return note

    async def say(self, secs: float) -> None:
        """Say samples that count up; they go out as from a microphone."""
        samples = np.arange(self.num_said, self.num_said + round(secs * RATE)) % 30_000
        self.num_said += len(samples)
        await self.task.queue_frame(OutputAudioRawFrame(samples.astype("<i2").tobytes(), RATE, 1))

    async def tell(self, data: Any) -> None:
        """Send a message to the bot's `on_client_message`."""
        content = {"label": "rtvi-ai", "type": "client-message", "id": "1"}
        content["data"] = {"t": "note", "d": data}  # type: ignore[assignment]
        await self.task.queue_frame(OutputTransportMessageUrgentFrame(content))

    def samples(self) -> list[int]:
        pcm = b"".join(frame.audio for frame in self.heard.of(InputAudioRawFrame))
        heard: list[int] = np.frombuffer(pcm, "<i2").tolist()
        return heard

    def told(self, kind: str) -> list[Any]:
        messages = [frame.message for frame in self.heard.of(InputTransportMessageFrame)]
        return [each for each in messages if each["type"] == kind]

    async def happened(self, *events: str) -> None:
        await eventually(lambda: self.events == [*events])


@asynccontextmanager
async def calling(uri: str | FindServer, **params: Any) -> AsyncIterator[Caller]:
    caller = Caller(uri, **params)
    try:
        await eventually(lambda: caller.told("bot-ready") or caller.run.done())
        yield caller
    finally:
        await caller.task.cancel()
        await asyncio.wait_for(caller.run, 10)


async def hear_all(caller: Caller, bots: Bots, num_samples: int) -> None:
    """Return when both have heard everything, once and in its order."""
    await eventually(lambda: len(caller.samples()) >= num_samples)
    await eventually(lambda: len(bots.heard_samples()) >= caller.num_said)
    assert caller.samples()[:num_samples] == counting(num_samples)
    assert not any(caller.samples()[num_samples:])  # Players in browsers need it.
    assert bots.heard_samples() == counting(caller.num_said)


async def test_what_both_say_during_a_loss_is_heard_once_and_in_order() -> None:
    bots = Bots()
    async with (
        voice_server(bots) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        bots.counter.say(2.0)
        await caller.say(2.0)
        await eventually(lambda: len(caller.samples()) > RATE // 4)
        relay.is_down = True
        relay.cut()
        await caller.happened("on_connected", "on_lost")
        await asyncio.sleep(0.5)
        relay.come_back()
        await caller.happened("on_connected", "on_lost", "on_resumed")
        await hear_all(caller, bots, 2 * RATE)
        assert (bots.num_called, len(server.sessions)) == (1, 1)
        assert caller.told("error-response") == []
    assert caller.events[-1] == "on_disconnected"


@pytest.mark.parametrize("seed", range(4))
async def test_however_often_it_is_lost(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    bots = Bots()
    async with (
        voice_server(bots) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        bots.counter.say(2.0)
        await caller.say(2.0)
        for _ in range(12):
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            relay.cut()
        await hear_all(caller, bots, 2 * RATE)
        assert bots.num_called == 1
        assert caller.told("error-response") == []


async def test_a_network_that_swallows_everything_is_noticed_and_got_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "PING_SECS", 0.05)
    monkeypatch.setattr(returning, "SILENT_SECS", 0.3)
    bots = Bots()
    async with (
        voice_server(bots) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        bots.counter.say(1.0)
        await caller.say(1.0)
        relay.swallow()
        await caller.happened("on_connected", "on_lost")
        relay.come_back()
        await caller.happened("on_connected", "on_lost", "on_resumed")
        await hear_all(caller, bots, RATE)


async def test_pings_let_both_sides_forget_what_has_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "PING_SECS", 0.05)
    bots = Bots()
    async with voice_server(bots) as server, calling(server.url) as caller:
        await caller.say(1.0)
        bots.counter.say(1.0)
        await hear_all(caller, bots, RATE)
        ours = caller.transport._connection
        assert isinstance(ours, returning.ReturningConnection)
        log = ours._log
        assert log is not None
        await eventually(lambda: len(log.unacknowledged()) < 3)
        assert log.num_sent > 20
        assert len(ours._own_numbers) <= len(log.unacknowledged())


async def test_the_pipeline_ends_when_the_server_is_not_reached_in_time() -> None:
    async with (
        voice_server(Bots()) as server,
        relay_to(server.url) as relay,
        calling(relay.url, window_secs=0.5) as caller,
    ):
        relay.is_down = True
        began_at = time.monotonic()
        relay.cut()
        await asyncio.wait_for(caller.run, 10)
        assert time.monotonic() - began_at >= 0.5
        assert caller.events == ["on_connected", "on_lost", "on_disconnected"]


async def test_the_pipeline_ends_at_once_when_the_session_is_over() -> None:
    async with (
        voice_server(Bots(), resume_window_secs=0.2) as server,
        relay_to(server.url) as relay,
        calling(relay.url, window_secs=60.0) as caller,
    ):
        relay.is_down = True
        relay.cut()
        await eventually(lambda: server.sessions == ())
        relay.come_back()
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_lost", "on_disconnected"]


async def test_the_pipeline_ends_at_once_when_the_server_lets_it_in_no_more() -> None:
    key = "ada-0123456789-0123456789"
    shown = {"Authorization": f"Bearer {key}"}
    async with (
        voice_server(authenticate=StaticTokens({"bob": key[::-1]})) as other,
        voice_server(Bots(), authenticate=StaticTokens({"ada": key})) as server,
        relay_to(server.url) as relay,
        calling(relay.url, window_secs=60.0, headers=shown) as caller,
    ):
        relay.lead_to(other.url)
        relay.cut()
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_lost", "on_disconnected"]


async def test_a_goodbye_of_the_server_is_the_end() -> None:
    bots = Bots()
    async with voice_server(bots) as server, calling(server.url) as caller:
        assert bots.transport is not None
        await bots.transport.client.close(1000, "that was all")
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_disconnected"]


@pytest.mark.parametrize("ends", ["cancel", "end"])
async def test_the_pipeline_may_end_during_a_loss(ends: str) -> None:
    async with (
        voice_server(Bots()) as server,
        relay_to(server.url) as relay,
        calling(relay.url, window_secs=60.0) as caller,
    ):
        relay.is_down = True
        relay.cut()
        await caller.happened("on_connected", "on_lost")
        if ends == "cancel":
            await caller.task.cancel()
        else:
            await caller.task.queue_frame(EndFrame())
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_lost", "on_disconnected"]


async def test_each_call_asks_where_the_server_is() -> None:
    tokens = OneTimeTokens(secret=SECRET)
    bots = Bots()
    async with (
        voice_server(bots, authenticate=tokens) as server,
        relay_to(server.url) as relay,
    ):

        async def find() -> str:
            return f"{relay.url}/?token={tokens.issue(Identity('ada'))}"

        async with calling(find) as caller:
            await caller.say(0.5)
            relay.cut()
            await caller.happened("on_connected", "on_lost", "on_resumed")
            await hear_all(caller, bots, 0)


async def test_a_server_that_cannot_be_found_for_a_while_is_asked_for_again() -> None:
    bots = Bots()
    async with voice_server(bots) as server, relay_to(server.url) as relay:
        answers: Iterator[str | OSError] = iter(
            [relay.url, OSError("no network"), OSError("no network"), relay.url]
        )

        async def find() -> str:
            answer = next(answers)
            if isinstance(answer, str):
                return answer
            raise answer

        async with calling(find) as caller:
            relay.cut()
            await caller.happened("on_connected", "on_lost", "on_resumed")


async def test_another_server_goes_on_with_what_has_been_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "SAVE_SECS", 0.01)
    store = MemorySessionStore()
    first, second = Remembering(), Remembering()
    async with voice_server(second, session_store=store) as other:
        server = await _started(first, store)
        async with relay_to(server.url) as relay, calling(relay.url) as caller:
            await caller.tell("one")
            await eventually(lambda: first.contexts and first.notes() == ["one"])
            await asyncio.sleep(0.2)  # It is kept, then.
            relay.is_down = True
            relay.cut()
            await caller.happened("on_connected", "on_lost")
            await caller.tell("two")
            await server.stop()
            relay.lead_to(other.url)
            relay.come_back()
            await caller.happened("on_connected", "on_lost", "on_renewed", "on_resumed")
            await eventually(lambda: second.contexts and "two" in second.notes())
            assert second.notes()[0] == "one"
            await caller.tell("three")
            await eventually(lambda: second.notes()[-1] == "three")
            relay.cut()  # And the same again, with the new one.
            await eventually(lambda: caller.events[-2:] == ["on_lost", "on_resumed"])
            await caller.tell("four")
            await eventually(lambda: second.notes()[-1] == "four")


async def _started(bot: Remembering, store: MemorySessionStore) -> VoiceServer:
    params = WebsocketServerParams(
        audio_in_enabled=True, audio_out_enabled=True, session_store=store
    )
    server = VoiceServer(bot, host="127.0.0.1", port=0, params=params)
    await server.start()
    return server


async def test_a_server_that_lets_nobody_come_back_is_talked_with_as_any_other() -> None:
    bots = Bots()
    async with (
        voice_server(bots, resume_window_secs=0.0) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        ours = caller.transport._connection
        assert isinstance(ours, returning.ReturningConnection)
        assert ours._log is None
        await caller.say(0.3)
        await hear_all(caller, bots, 0)
        relay.cut()
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_disconnected"]


async def test_what_waits_for_a_server_that_acknowledges_nothing_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "MAX_KEPT_BYTES", 20_000)
    monkeypatch.setattr(returning, "PING_SECS", 0.05)
    async with (
        voice_server(Bots()) as server,
        relay_to(server.url) as relay,
        calling(relay.url, window_secs=60.0) as caller,
    ):
        relay.is_down = True
        relay.cut()
        await caller.happened("on_connected", "on_lost")
        ours = caller.transport._connection
        assert isinstance(ours, returning.ReturningConnection)
        await caller.say(2.0)
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_lost", "on_disconnected"]
        timer = ours._timer
        await asyncio.sleep(0.2)
        assert ours._timer is timer  # Nobody is pinged any more.


@pytest.mark.parametrize(
    "data",
    [None, {"token": 1}, {"token": "x", "received": -1}, {"token": "x", "received": 99}],
    ids=["none", "no-text", "negative", "too-many"],
)
async def test_a_server_that_talks_nonsense_of_coming_back_is_left(data: Any) -> None:
    async with serving(rtvi=None) as served:
        caller = Caller(served.url)
        await caller.happened("on_connected")
        nonsense = {"label": "rtvi-ai", "type": "vw-resume", "data": data}
        await served.say(OutputTransportMessageUrgentFrame(nonsense))
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_disconnected"]


def test_a_wire_without_rtvi_cannot_come_back() -> None:
    with pytest.raises(ValidationError, match="RawFrameSerializer does not"):
        WebsocketClientParams(resume_window_secs=1.0, serializer=RawFrameSerializer())


async def test_an_address_in_an_error_has_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller("ws://ada:hunter2@127.0.0.1:1/ws?token=hunter3")
    await asyncio.wait_for(caller.run, 10)
    assert "ws://127.0.0.1:1/ws: cannot be reached" in caplog.text
    assert "hunter" not in caplog.text
    assert json.dumps(caller.events) == "[]"


async def test_who_says_nothing_for_a_while_has_finished_speaking() -> None:
    heard = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, heard)

    async with (
        voice_server(bot, vad_analyzer=ToneVAD()) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        for _ in range(2):  # Also after a loss.
            heard.frames.clear()
            caller.events.clear()
            await caller.task.queue_frame(OutputAudioRawFrame(tone(0.5), RATE, 1))
            await eventually(lambda: heard.of(UserStartedSpeakingFrame))
            await eventually(lambda: heard.of(UserStoppedSpeakingFrame))
            relay.cut()
            await eventually(lambda: "on_resumed" in caller.events)


async def test_who_is_lost_in_mid_speech_goes_on_speaking() -> None:
    heard = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, heard)

    async with (
        voice_server(bot, vad_analyzer=ToneVAD()) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        await caller.task.queue_frame(OutputAudioRawFrame(tone(2.0), RATE, 1))
        await eventually(lambda: heard.of(UserStartedSpeakingFrame))
        relay.is_down = True
        relay.cut()
        await asyncio.sleep(1.2)  # Longer than a muted microphone has.
        relay.come_back()
        await eventually(lambda: heard.of(UserStoppedSpeakingFrame))
        assert len(heard.of(UserStartedSpeakingFrame)) == 1


@pytest.mark.parametrize(
    "answer",
    [None, "http://localhost/?token=SECRET", "ws://[::1", "ws://localhost:99999/", OSError("x")],
    ids=["none", "http", "bracket", "port", "fails"],
)
async def test_what_is_no_address_is_asked_for_again(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with voice_server(Bots()) as server, relay_to(server.url) as relay:
        answers: Iterator[Any] = iter([relay.url, answer, relay.url])

        async def find() -> str:
            found = next(answers)
            if isinstance(found, OSError):
                raise found
            return found  # type: ignore[no-any-return]  # it is what it should not be

        async with calling(find) as caller:
            relay.cut()
            await caller.happened("on_connected", "on_lost", "on_resumed")
    assert "SECRET" not in caplog.text


async def test_a_first_call_that_finds_nothing_is_an_error_that_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def find() -> str:
        await asyncio.sleep(60.0)
        return ""

    caller = Caller(find, open_timeout_secs=0.1)
    await asyncio.wait_for(caller.run, 10)
    assert "where the server is cannot be found out in time" in caplog.text


async def test_a_stranger_who_answers_in_the_servers_place_is_not_heard() -> None:
    async with (
        serving(audio_out_sample_rate=RATE, rtvi=None) as stranger,
        voice_server(Bots()) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        relay.lead_to(stranger.url)
        relay.cut()
        await stranger.happened("connected", 0)
        await stranger.say(OutputAudioRawFrame(tone(0.2), RATE, 1))
        await asyncio.sleep(0.3)
        relay.lead_to(server.url)
        await eventually(lambda: caller.events[-1] == "on_resumed")
        assert caller.samples() == []


async def test_a_loss_while_a_conversation_is_renewed_is_got_over_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "SAVE_SECS", 0.01)
    store = MemorySessionStore()
    first, second = Remembering(), Remembering()
    async with voice_server(second, session_store=store) as other:
        server = await _started(first, store)
        async with relay_to(server.url) as relay, calling(relay.url) as caller:
            await caller.tell("one")
            await eventually(lambda: first.contexts and first.notes() == ["one"])
            await asyncio.sleep(0.2)

            @caller.transport.event_handler("on_renewed")
            async def lose_it_again(_: Any, connection: Any) -> None:
                if caller.events.count("on_renewed") == 1:
                    relay.cut()

            relay.is_down = True
            relay.cut()
            await server.stop()
            relay.lead_to(other.url)
            relay.come_back()
            await eventually(lambda: caller.events.count("on_lost") == 2)
            await eventually(lambda: caller.events[-1] == "on_resumed")
            await caller.tell("two")
            await eventually(lambda: second.notes()[-1] == "two")
            assert second.notes()[0] == "one"


async def test_a_bot_that_ends_its_pipeline_is_not_called_again() -> None:
    num_calls = 0

    async def bot(transport: SessionTransport) -> None:
        nonlocal num_calls
        num_calls += 1
        transport.remember(LLMContext())
        task = PipelineTask(Pipeline([transport.input(), transport.output()]))

        @transport.rtvi.event_handler("on_client_message")
        async def end(rtvi: Any, message: Any) -> None:
            await task.cancel()

        await PipelineRunner(handle_sigint=False).run(task)

    async with (
        voice_server(bot, session_store=MemorySessionStore()) as server,
        calling(server.url) as caller,
    ):
        await caller.tell("that was all")
        await asyncio.wait_for(caller.run, 10)
        assert caller.events == ["on_connected", "on_disconnected"]
    assert num_calls == 1


async def test_a_server_that_takes_its_time_to_let_it_in_gets_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "ATTEMPT_SECS", 0.1)
    num_asked = 0

    async def authenticate(request: HandshakeRequest) -> Identity:
        nonlocal num_asked
        num_asked += 1
        await asyncio.sleep(0.3 if num_asked > 1 else 0.0)
        return Identity("ada")

    async with (
        voice_server(Bots(), authenticate=authenticate) as server,
        relay_to(server.url) as relay,
        calling(relay.url) as caller,
    ):
        relay.cut()
        await caller.happened("on_connected", "on_lost", "on_resumed")
    assert num_asked >= 3


async def test_handlers_are_called_one_after_the_other() -> None:
    async with voice_server(Bots()) as server, relay_to(server.url) as relay:
        order: list[str] = []
        caller = Caller(relay.url)

        @caller.transport.event_handler("on_lost")
        async def lost(_: Any, connection: Any) -> None:
            await asyncio.sleep(0.3)
            order.append("lost")

        @caller.transport.event_handler("on_resumed")
        async def resumed(_: Any, connection: Any) -> None:
            order.append("resumed")

        await eventually(lambda: caller.told("bot-ready"))
        relay.cut()
        await eventually(lambda: len(order) == 2)
        assert order == ["lost", "resumed"]
        await caller.task.cancel()
        await asyncio.wait_for(caller.run, 10)


def test_a_client_of_rtvi_is_no_server_of_it() -> None:
    with pytest.raises(ValidationError, match="leave one of them out"):
        WebsocketClientParams(resume_window_secs=1.0, rtvi=RTVIParams())


async def test_a_client_that_has_left_is_gone() -> None:
    async def call() -> None:
        async with calling(server.url) as caller:
            await caller.say(0.1)
            await hear_all(caller, bots, 0)
        bots.heard.frames.clear()
        await eventually(lambda: not server.sessions)
        await asyncio.sleep(0.05)

    bots = Bots()
    async with voice_server(bots) as server:
        await call()
        with nothing_for_the_collector():
            await call()
