"""RTVI over real sockets: a client as the standard describes it, and a pipeline that answers."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.transports.client import Caller, Served, eventually, json_message, serving
from voicewire.frames import (
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    RTVIClientMessageFrame,
    RTVIServerMessageFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor, PipelineParams
from voicewire.rtvi import RTVI
from voicewire.rtvi.visit import MAX_EVENTS_WAITING

pytestmark = pytest.mark.anyio

ABOUT = {"library": "@pipecat-ai/client-js", "library_version": "1.13.1"}


class Failing(InlineProcessor):
    """Fails on what the caller types on a telephone."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputDTMFFrame):
            raise ValueError("no keys here")
        self.push(frame, direction)


class Client(Caller):
    """A caller that speaks RTVI."""

    @property
    def told(self) -> list[dict[str, Any]]:
        return [
            json.loads(frame.message.data)
            for frame in self.messages
            if frame.WhichOneof("frame") == "message"
        ]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.told if each["type"] == kind]

    async def ask(self, kind: Any, data: Any = None, *, msg_id: Any = "m1") -> None:
        content = {"label": "rtvi-ai", "type": kind, "id": msg_id, "data": data}
        await self.send(json_message(json.dumps(content)))

    async def say_hello(self, version: str = "2.1.0", *, msg_id: str = "hello") -> dict[str, Any]:
        """Say hello; return the answer."""
        await self.ask("client-ready", {"version": version, "about": ABOUT}, msg_id=msg_id)
        await self.hears("bot-ready")
        return self.of("bot-ready")[-1]

    async def hears(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the messages of a kind when there are so many."""
        await eventually(lambda: len(self.of(kind)) >= count)
        return self.of(kind)


@asynccontextmanager
async def calling(*processors: Any, **params: Any) -> AsyncIterator[tuple[Served, Client]]:
    async with serving(*processors, **params) as served, Client(served.url) as client:
        yield served, client


async def test_hello_is_answered_with_its_id_and_our_version() -> None:
    async with calling() as (served, client):
        answer = await client.say_hello(msg_id="1a2b3c4d")
        rtvi = served.transport.rtvi
        assert (rtvi.client_version, rtvi.about_client) == ("2.1.0", ABOUT)
    assert answer["label"] == "rtvi-ai"
    assert answer["id"] == "1a2b3c4d"
    assert answer["data"]["version"] == "2.1.0"
    assert answer["data"]["about"]["library"] == "voicewire"


async def test_a_client_of_major_1_hears_its_own_version() -> None:
    async with calling() as (_, client):
        assert (await client.say_hello("1.2.3"))["data"]["version"] == "1.2.3"


@pytest.mark.parametrize("version", ["3.0.0", "soon", ""])
async def test_a_version_that_is_not_ours_is_told_and_served(version: str) -> None:
    async with calling() as (_, client):
        assert (await client.say_hello(version))["data"]["version"] == "2.1.0"
        (fault,) = client.of("error-response")
        assert "version" in fault["data"]["error"]
        assert fault["id"] == "hello"


async def test_a_second_hello_is_answered_but_announced_once() -> None:
    announced: list[RTVI] = []

    def prepare(served: Served) -> None:
        @served.transport.rtvi.event_handler("on_client_ready")
        async def on_client_ready(rtvi: RTVI) -> None:
            announced.append(rtvi)
            await rtvi.set_bot_ready({"library": "mine"})

    async with calling(prepare=prepare) as (served, client):
        await client.say_hello(msg_id="first")
        await client.ask("client-ready", {"version": "2.1.0"}, msg_id="second")
        first, second = await client.hears("bot-ready", 2)
        await served.say(TTSStartedFrame())
        await client.hears("bot-tts-started")
    assert (first["id"], second["id"]) == ("first", "second")
    assert first["data"]["about"] == {"library": "mine"}
    assert announced == [served.transport.rtvi]
    assert len(client.of("bot-tts-started")) == 1
    assert len(client.of("bot-ready")) == 2


async def test_nothing_is_told_before_hello() -> None:
    async with calling() as (served, client):
        await served.say(TTSStartedFrame(), TTSTextFrame("Hello."))
        await eventually(lambda: client.messages)
        assert client.told == []
        assert client.messages[0].text.text == "Hello."


async def test_words_come_once_by_rtvi_and_not_as_text_too() -> None:
    async with calling() as (served, client):
        await client.say_hello()
        await served.say(
            TranscriptionFrame("What is new?", "", ""),
            TTSStartedFrame("a"),
            TTSAudioRawFrame(bytes(9600), 24000, 1, "a"),
            TTSTextFrame("Nothing."),
            TTSStoppedFrame("a"),
        )
        await client.hears("bot-tts-stopped")
        await client.hears("bot-stopped-speaking")
    kinds = [each["type"] for each in client.told if not each["type"].startswith("bot-ready")]
    assert kinds.index("user-transcription") < kinds.index("bot-tts-started")
    assert kinds.index("bot-started-speaking") < kinds.index("bot-tts-text")
    assert kinds.index("bot-tts-text") < kinds.index("bot-stopped-speaking")
    assert [each["data"]["spoken_status"] for each in client.of("bot-output")] == [
        "new",
        "completed",
    ]
    assert {frame.WhichOneof("frame") for frame in client.messages} == {"message", "audio"}


async def test_a_sentence_that_is_cut_off_is_never_completed() -> None:
    async with calling() as (served, client):
        await client.say_hello()
        await served.say(
            TTSStartedFrame("a"),
            TTSAudioRawFrame(bytes(48_000 * 20), 24000, 1, "a"),
            TTSTextFrame("A long story."),
            TTSStoppedFrame("a"),
        )
        await client.hears("bot-output")
        await client.heard()
        await served.say(InterruptionFrame())
        await client.hears("bot-stopped-speaking")
    assert [each["data"]["spoken_status"] for each in client.of("bot-output")] == ["new"]


async def test_an_utterance_is_played_to_its_end() -> None:
    """The player keeps less than a block of 128 samples until more comes."""
    async with calling() as (served, client):
        await client.say_hello()
        await served.say(
            TTSStartedFrame("a"),
            TTSAudioRawFrame(b"\x01\x01" * 2401, 24000, 1, "a"),
            TTSStoppedFrame("a"),
        )
        await client.hears("bot-stopped-speaking")
    assert client.pcm == b"\x01\x01" * 2401 + bytes(2 * 127)


async def test_text_interrupts_and_is_asked() -> None:
    async with calling() as (served, client):
        await client.ask("send-text", {"content": "What is new?"})
        await eventually(lambda: served.heard.of(LLMMessagesAppendFrame))
    (asked,) = served.heard.of(LLMMessagesAppendFrame)
    assert asked.messages == [{"role": "user", "content": "What is new?"}]
    assert asked.run_llm
    names = served.heard.names(InterruptionFrame, LLMMessagesAppendFrame, LLMConfigureOutputFrame)
    assert names == ["InterruptionFrame", "LLMMessagesAppendFrame"]


async def test_text_may_wait_and_be_answered_in_silence() -> None:
    options = {"run_immediately": False, "audio_response": False}
    async with calling() as (served, client):
        await client.ask("send-text", {"content": "By the way.", "options": options})
        await eventually(lambda: len(served.heard.of(LLMConfigureOutputFrame)) == 2)
    frames = [f for f in served.heard.frames if not isinstance(f, EndFrame)]
    kinds = (InterruptionFrame, LLMConfigureOutputFrame, LLMMessagesAppendFrame)
    configure, asked, back = [frame for frame in frames if isinstance(frame, kinds)]
    assert isinstance(configure, LLMConfigureOutputFrame)
    assert isinstance(back, LLMConfigureOutputFrame)
    assert isinstance(asked, LLMMessagesAppendFrame)
    assert (configure.skip_tts, asked.run_llm, back.skip_tts) == (True, False, False)


async def test_context_keys_and_results_become_frames() -> None:
    async with calling() as (served, client):
        await client.ask("append-to-context", {"role": "system", "content": "Be brief."})
        await client.ask("dtmf", {"buttons": ["1", "#"]})
        result = {"function_name": "f", "tool_call_id": "c", "arguments": {}, "result": {"a": 1}}
        await client.ask("llm-function-call-result", result)
        await eventually(lambda: served.heard.of(FunctionCallResultFrame))
    (added,) = served.heard.of(LLMMessagesAppendFrame)
    assert (added.messages, added.run_llm) == (
        [{"role": "system", "content": "Be brief."}],
        False,
    )
    assert [frame.button for frame in served.heard.of(InputDTMFFrame)] == ["1", "#"]
    assert served.heard.of(FunctionCallResultFrame)[0].result == {"a": 1}


async def test_audio_in_json_is_heard_as_any_other() -> None:
    pcm = bytes(range(256)) * 5
    encoded = base64.b64encode(pcm).decode()
    form = {"sampleRate": 16000, "numChannels": 1}
    async with calling() as (served, client):
        await client.ask("raw-audio", {**form, "base64Audio": encoded})
        await client.ask("raw-audio-batch", {**form, "base64AudioBatch": [encoded, encoded]})
        await eventually(lambda: len(served.heard.of(InputAudioRawFrame)) == 3)
    assert b"".join(frame.audio for frame in served.heard.of(InputAudioRawFrame)) == 3 * pcm


async def test_audio_in_json_counts_as_long_as_it_lasts() -> None:
    """Its messages are longer than those of the binary wire, and no less in real time."""
    encoded = base64.b64encode(bytes(9600)).decode()
    form = {"sampleRate": 48_000, "numChannels": 1, "base64Audio": encoded}
    async with calling(audio_in_max_ahead_secs=0.5) as (served, client):
        for _ in range(5):
            await client.ask("raw-audio", form)
            await asyncio.sleep(0.1)
        await eventually(lambda: len(served.heard.of(InputAudioRawFrame)) == 5)
        assert served.transport.stats.rests == 0


async def test_the_bot_leaves_when_it_is_asked_to() -> None:
    async with calling() as (served, client):
        await client.say_hello()
        await client.ask("disconnect-bot")
        assert await client.closed() == (1000, "the conversation is over")
        await served.finished()


async def test_the_application_answers_in_turn() -> None:
    def prepare(served: Served) -> None:
        @served.transport.rtvi.event_handler("on_client_message")
        async def on_client_message(rtvi: RTVI, message: RTVIClientMessageFrame) -> None:
            if message.type == "sky":
                await asyncio.sleep(0.02)
                await rtvi.send_server_response(message, {"sky": message.data})
            else:
                await rtvi.send_error_response(message, "what?")
            await rtvi.send_server_message("by the way")

    async with calling(prepare=prepare) as (served, client):
        await client.say_hello()
        await client.ask("client-message", {"t": "sky", "d": "clear"}, msg_id="q1")
        await client.ask("client-message", {"t": "sea"}, msg_id="q2")
        await client.hears("server-message", 2)
        (answer,), (fault,) = client.of("server-response"), client.of("error-response")
    assert (answer["id"], answer["data"]) == ("q1", {"t": "sky", "d": {"sky": "clear"}})
    assert (fault["id"], fault["data"]) == ("q2", {"error": "what?"})
    assert [each["type"] for each in client.told[1:3]] == ["server-response", "server-message"]
    assert [frame.type for frame in served.heard.of(RTVIClientMessageFrame)] == ["sky", "sea"]


async def test_handlers_that_hang_make_a_flood_wait_and_then_be_refused() -> None:
    def prepare(served: Served) -> None:
        @served.transport.rtvi.event_handler("on_client_message")
        async def on_client_message(rtvi: RTVI, message: RTVIClientMessageFrame) -> None:
            await asyncio.Event().wait()

    async with calling(prepare=prepare) as (_, client):
        for number in range(MAX_EVENTS_WAITING + 3):
            await client.ask("client-message", {"t": "sky"}, msg_id=str(number))
        faults = await client.hears("error-response", 2)
    assert [fault["id"] for fault in faults] == ["101", "102"]


async def test_a_page_tells_of_its_user_interface() -> None:
    told: list[Any] = []

    def prepare(served: Served) -> None:
        @served.transport.rtvi.event_handler("on_ui_message")
        async def on_ui_message(rtvi: RTVI, kind: str, data: Any) -> None:
            told.append((kind, data))

    async with calling(prepare=prepare) as (_, client):
        await client.ask("ui-event", {"event": "click"})
        await eventually(lambda: told)
    assert told == [("ui-event", {"event": "click"})]


async def test_an_error_is_not_answered_by_an_error() -> None:
    async with calling() as (_, client):
        for _ in range(3):
            await client.ask("error-response", {"error": "I do not understand"}, msg_id="x")
        await client.say_hello()
        assert client.of("error-response") == []


@pytest.mark.parametrize(
    ("kind", "data", "fault"),
    [
        ("make-coffee", None, "unknown type 'make-coffee'; expected one of append-to-context"),
        (None, None, "expected a type"),
        ("send-text", None, "send-text: data.content: Field required"),
        ("send-text", {"content": ""}, "data.content"),
        ("send-text", ["content"], "send-text: data"),
        ("dtmf", {"buttons": ["A"]}, "dtmf: data.buttons.0"),
        ("dtmf", {"buttons": ["1"] * 65}, "dtmf: data.buttons"),
        ("append-to-context", {"role": "king", "content": ""}, "data.role"),
        ("client-message", {}, "data.t: Field required"),
        ("raw-audio", {"sampleRate": 1, "numChannels": 1, "base64Audio": "AAAA"}, "sample rate 1"),
        (
            "raw-audio",
            {"sampleRate": 8000, "numChannels": 1, "base64Audio": "%"},
            "audio is not base64",
        ),
        (
            "raw-audio",
            {"sampleRate": 8000, "numChannels": 1, "base64Audio": "AAAA"},
            "whole samples",
        ),
    ],
)
async def test_what_is_not_understood_is_told_with_what_would_be(
    kind: Any, data: Any, fault: str
) -> None:
    async with calling() as (_, client):
        await client.ask(kind, data, msg_id="x")
        (answer,) = await client.hears("error-response")
        await client.say_hello()  # And the conversation goes on.
    assert fault in answer["data"]["error"]
    assert answer["id"] == ("x" if kind else "")


async def test_what_fails_in_the_pipeline_is_told() -> None:
    async with calling(Failing()) as (_, client):
        await client.say_hello()
        await client.ask("dtmf", {"buttons": ["1"]})
        (fault,) = await client.hears("error")
    assert "no keys here" in fault["data"]["message"]
    assert fault["data"]["fatal"] is False


async def test_a_frame_that_cannot_be_told_of_moves_on_all_the_same() -> None:
    async with calling() as (served, client):
        await client.say_hello()
        await served.say(
            LLMContextFrame("no context"), RTVIServerMessageFrame(object()), TTSStartedFrame()
        )
        await client.hears("bot-tts-started")
        assert "JSON" in (await client.hears("error"))[0]["data"]["error"]
    assert served.heard.of(LLMContextFrame)


async def test_messages_of_other_kinds_go_into_the_pipeline() -> None:
    async with calling() as (served, client):
        await client.send(json_message('{"label": "mine", "type": "client-ready"}'))
        await client.send(json_message('["client-ready"]'))
        await eventually(lambda: len(served.heard.of(InputTransportMessageFrame)) == 2)
        assert client.told == []


async def test_switched_off_the_pipeline_gets_all_messages() -> None:
    async with calling(rtvi=None) as (served, client):
        await client.ask("client-ready", {"version": "2.1.0"})
        await eventually(lambda: served.heard.of(InputTransportMessageFrame))
        assert client.told == []
        assert served.transport.rtvi.client_version is None


async def test_the_next_client_begins_anew() -> None:
    async with serving() as served:
        async with Client(served.url) as first:
            await first.say_hello("1.0.0")
        await served.happened("disconnected", 0)
        rtvi = served.transport.rtvi
        assert (rtvi.client_version, rtvi.about_client) == (None, {})
        await rtvi.send_server_message("nobody hears this")
        async with Client(served.url) as second:
            await served.happened("connected", 1)
            await served.say(TTSStartedFrame(), TTSTextFrame("Hello."))
            await eventually(lambda: second.messages)
            assert second.told == []
            await second.say_hello()
            await rtvi.interrupt_bot()
            await eventually(lambda: served.heard.of(InterruptionFrame))


OURS = {"library": "voicewire-client", "library_version": "0.1.0"}


async def say_hello_as_ours(client: Client) -> None:
    """Say hello as a client of voicewire's own."""
    can = {"flush": True, "playout": True}
    await client.ask("client-ready", {"version": "2.1.0", "about": OURS, "voicewire": can})
    await client.hears("bot-ready")


async def test_a_client_that_can_flush_is_told_to_and_others_are_not() -> None:
    async with calling() as (served, client):
        await say_hello_as_ours(client)
        for stream_id in (1, 2):
            await served.say(TTSAudioRawFrame(bytes(64_000), 16_000, 1))
            await client.hears("bot-started-speaking", stream_id)
            await served.say(InterruptionFrame())
            flushes = await client.hears("vw-flush", stream_id)
            assert flushes[-1]["data"] == {"stream_id": stream_id}
    async with calling() as (served, client):
        await client.say_hello()
        await served.say(TTSAudioRawFrame(bytes(64_000), 16_000, 1))
        await client.hears("bot-started-speaking")
        await served.say(InterruptionFrame())
        await client.hears("bot-stopped-speaking")
    assert client.of("vw-flush") == []


async def test_the_bot_stops_where_the_client_says_that_it_was_heard() -> None:
    async with calling() as (served, client):
        await say_hello_as_ours(client)
        await served.say(TTSAudioRawFrame(bytes(160_000), 16_000, 1))
        await client.hears("bot-started-speaking")
        await client.ask("vw-playout", {"stream_id": 0, "played_ms": 12.0, "buffered_ms": 0.0})
        await client.ask("vw-ping", {"sent_at": 1.5})
        assert (await client.hears("vw-pong"))[0]["data"] == {"sent_at": 1.5}
        await served.say(InterruptionFrame())
        await client.hears("vw-flush")
        stopped = served.said.of(BotStoppedSpeakingFrame)
    assert [frame.played_secs for frame in stopped] == [pytest.approx(0.012)]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("vw-playout", {"stream_id": 0, "played_ms": -1, "buffered_ms": 0}),
        ("vw-playout", {"stream_id": 0, "played_ms": "NaN", "buffered_ms": 0}),
        ("vw-playout", {"played_ms": 0, "buffered_ms": 0}),
        ("vw-ping", {}),
        ("vw-ping", {"sent_at": "soon"}),
        ("vw-nothing", {}),
    ],
)
async def test_a_bad_message_of_the_extension_is_answered(kind: str, data: Any) -> None:
    async with calling() as (_, client):
        await say_hello_as_ours(client)
        await client.ask(kind, data)
        await client.hears("error-response")


@pytest.mark.parametrize(
    ("hello", "rate"),
    [
        ({"version": "2.1.0", "about": ABOUT}, 24_000),
        ({}, 24_000),
        ({"version": "2.1.0", "about": {"library": "@pipecat-ai/client-ios"}}, 16_000),
        ({"version": "2.1.0", "about": OURS, "voicewire": {"flush": True}}, 16_000),
    ],
    ids=["Pipecat's JavaScript", "the same before 1.0", "another", "ours"],
)
async def test_a_player_that_ignores_the_rate_gets_the_one_it_takes_audio_for(
    hello: dict[str, Any], rate: int
) -> None:
    params = PipelineParams(audio_out_sample_rate=16_000)
    async with calling(pipeline_params=params) as (served, client):
        await client.ask("client-ready", hello)
        await client.hears("bot-ready")
        await served.say(TTSAudioRawFrame(bytes(6400), 16_000, 1))
        await eventually(lambda: bool(client.audio))
        assert client.of("error-response") == []
    assert {message.sample_rate for message in client.audio} == {rate}
