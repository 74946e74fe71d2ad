"""A caller on a real socket: events, audio both ways, limits, timeouts and ends."""

import asyncio
import io
import logging
import os
import signal
import socket
import wave
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.transports.client import (
    Caller,
    Echo,
    Recorder,
    Served,
    audio_message,
    eventually,
    json_message,
    serving,
)
from tests.transports.fakes import ToneVAD, message, samples, tone, words
from tests.transports.raw_peer import upgrade
from voicewire.errors import AddressInUseError, SessionClosed
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    StopFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import (
    FrameDirection,
    FrameProcessor,
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
)
from voicewire.transports import (
    ClientConnection,
    WebsocketServerParams,
    WebsocketServerTransport,
    websocket,
)

pytestmark = pytest.mark.anyio

SPEAKING = (
    VADUserStartedSpeakingFrame,
    UserStartedSpeakingFrame,
    InterruptionFrame,
    VADUserStoppedSpeakingFrame,
    UserStoppedSpeakingFrame,
)


# Events.


async def test_events_come_with_the_transport_and_the_client() -> None:
    seen: list[tuple[Any, ...]] = []

    def prepare(served: Served) -> None:
        for name in ("on_websocket_ready", "on_client_connected", "on_client_disconnected"):

            async def handler(*args: Any, name: str = name) -> None:
                seen.append((name, *args))

            served.transport.add_event_handler(name, handler)

    async with serving(prepare=prepare) as served:
        transport = served.transport
        assert seen == [("on_websocket_ready", transport)]
        async with Caller(f"{served.url}/talk?name=ada", additional_headers={"X-Who": "me"}):
            await eventually(lambda: served.clients)
            client = served.client
            assert seen[1:] == [("on_client_connected", transport, client)]
            assert transport.client is client
            assert client.path == "/talk"
            assert client.query == {"name": "ada"}
            assert client.headers["x-who"] == "me"
            assert client.remote_address[0] == "127.0.0.1"
            assert client.id
        await eventually(lambda: len(seen) == 3)
        assert seen[2:] == [("on_client_disconnected", transport, client)]
        assert transport.client is None


async def test_a_failing_handler_is_logged_and_the_session_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def fail(transport: object, client: object) -> None:
            raise RuntimeError("oops")

    async with serving(Echo(), prepare=prepare) as served, Caller(served.url) as caller:
        await caller.speak(tone(0.2))
        await eventually(lambda: len(caller.pcm) > 9000)
    assert "a handler of 'on_client_connected' failed" in caplog.text
    assert "RuntimeError: oops" in caplog.text


async def test_handlers_are_awaited_one_after_the_other() -> None:
    order: list[str] = []

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def first(transport: object, client: object) -> None:
            order.append("first begins")
            await asyncio.sleep(0.02)
            order.append("first ends")

        @served.transport.event_handler("on_client_connected")
        async def second(transport: object, client: object) -> None:
            order.append("second")

    async with serving(prepare=prepare) as served, Caller(served.url):
        await eventually(lambda: len(order) == 3)
    assert order == ["first begins", "first ends", "second"]


async def test_messages_that_arrive_before_the_handler_returns_are_not_lost() -> None:
    go_on = asyncio.Event()

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def slow(transport: object, client: object) -> None:
            await go_on.wait()

    async with serving(prepare=prepare) as served, Caller(served.url) as caller:
        for number in range(2):
            await caller.send(json_message(f'{{"n": {number}}}'))
        await eventually(lambda: len(served.heard.of(InputTransportMessageFrame)) == 2)
        assert [f.message["n"] for f in served.heard.of(InputTransportMessageFrame)] == [0, 1]
        go_on.set()


async def test_a_handler_can_send_past_the_pipeline() -> None:
    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def greet(transport: object, client: ClientConnection) -> None:
            await client.send(json_message('"hello"'))

    async with serving(prepare=prepare) as served, Caller(served.url) as caller:
        await eventually(lambda: caller.messages)
        assert caller.messages[0].message.data == '"hello"'


async def test_a_handler_can_close_the_client_that_has_just_come() -> None:
    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def refuse(transport: object, client: ClientConnection) -> None:
            await client.close(4100, "not you")
            with pytest.raises(SessionClosed):
                await client.send(b"late")

    async with serving(prepare=prepare) as served:
        async with Caller(served.url) as caller:
            assert await caller.closed() == (4100, "not you")
        await eventually(lambda: len(served.events) == 2)
        async with Caller(served.url) as caller:
            assert await caller.closed() == (4100, "not you")
        await eventually(lambda: len(served.events) == 4)
        names = [name for name, _ in served.events]
        assert names == ["connected", "disconnected"] * 2


async def test_a_client_that_vanishes_without_a_close_is_announced() -> None:
    async with serving(Echo()) as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await caller.speak(tone(0.2))
        raw = caller.socket.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        caller.socket.transport.abort()  # with SO_LINGER 0: RST instead of FIN
        await served.happened("disconnected", 0)


# Microphone audio.


async def test_microphone_audio_comes_in_the_pipelines_format() -> None:
    async with serving() as served, Caller(served.url) as caller:
        pcm = tone(1.0, sample_rate=48000, num_channels=2)
        await caller.speak(pcm, sample_rate=48000, num_channels=2, message_secs=0.02)
        frames = served.heard
        await eventually(lambda: sum(f.duration_secs for f in frames.of(InputAudioRawFrame)) > 0.99)
        formats = {(f.sample_rate, f.num_channels) for f in frames.of(InputAudioRawFrame)}
        assert formats == {(16000, 1)}


async def test_without_passthrough_vad_still_hears() -> None:
    async with (
        serving(audio_in_passthrough=False, vad_analyzer=ToneVAD()) as served,
        Caller(served.url) as caller,
    ):
        await caller.speak(tone(1.0) + bytes(32000))
        await eventually(lambda: served.heard.of(UserStoppedSpeakingFrame))
        assert served.heard.of(InputAudioRawFrame) == []


async def test_without_audio_in_nothing_is_heard() -> None:
    async with serving(audio_in_enabled=False) as served, Caller(served.url) as caller:
        await caller.speak(tone(0.1))
        await caller.send(json_message("1"))
        await eventually(lambda: served.heard.of(InputTransportMessageFrame))
        assert served.heard.of(InputAudioRawFrame) == []


# Speech.


async def test_an_utterance_becomes_the_speaking_frames_and_an_interruption() -> None:
    async with serving(vad_analyzer=ToneVAD()) as served, Caller(served.url) as caller:
        await caller.speak(tone(1.0) + bytes(32000), message_secs=5)
        await eventually(lambda: served.heard.of(UserStoppedSpeakingFrame))
        assert served.heard.names(*SPEAKING) == [kind.__name__ for kind in SPEAKING]
        (started,) = served.heard.of(VADUserStartedSpeakingFrame)
        (stopped,) = served.heard.of(VADUserStoppedSpeakingFrame)
        assert (started.start_secs, stopped.stop_secs) == (0.2, 0.8)


async def test_where_interruptions_are_not_allowed_speech_interrupts_nothing() -> None:
    async with (
        serving(
            vad_analyzer=ToneVAD(), pipeline_params=PipelineParams(allow_interruptions=False)
        ) as served,
        Caller(served.url) as caller,
    ):
        await caller.speak(tone(1.0) + bytes(32000))
        await eventually(lambda: served.heard.of(UserStoppedSpeakingFrame))
        assert served.heard.of(InterruptionFrame) == []


async def test_a_muted_microphone_ends_speech_by_the_clock() -> None:
    async with serving(vad_analyzer=ToneVAD()) as served, Caller(served.url) as caller:
        await caller.speak(tone(0.5))
        await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
        began = asyncio.get_running_loop().time()
        await eventually(lambda: served.heard.of(UserStoppedSpeakingFrame))
        assert 0.7 < asyncio.get_running_loop().time() - began < 1.5


async def test_speaking_stops_the_bot() -> None:
    async with serving(vad_analyzer=ToneVAD()) as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await served.say(OutputAudioRawFrame(tone(5.0, sample_rate=24000), 24000, 1))
        await eventually(lambda: len(caller.pcm) > 24000)
        await caller.speak(tone(0.3))
        await eventually(lambda: served.said.of(BotStoppedSpeakingFrame))
        heard_bytes = len(caller.pcm)
        (stopped,) = served.said.of(BotStoppedSpeakingFrame)
        assert stopped.interrupted
        assert stopped.played_secs == pytest.approx(heard_bytes / 48000, abs=0.2)
        await asyncio.sleep(0.15)
        assert len(caller.pcm) - heard_bytes <= 0.08 * 48000
        await served.say(OutputAudioRawFrame(tone(0.2, sample_rate=24000), 24000, 1))
        await eventually(lambda: caller.pcm.endswith(tone(0.2, sample_rate=24000)))


# The bot's audio.


@pytest.mark.parametrize(
    ("params", "rate_of_pipeline", "expected"),
    [
        ({}, 24000, (24000, 1)),
        ({}, 16000, (16000, 1)),
        ({"audio_out_sample_rate": 48000}, 16000, (48000, 1)),
        ({"audio_out_channels": 2}, 24000, (24000, 2)),
    ],
)
async def test_the_client_gets_its_rate_and_channels_at_the_right_speed(
    params: dict[str, Any], rate_of_pipeline: int, expected: tuple[int, int]
) -> None:
    async with (
        serving(
            pipeline_params=PipelineParams(audio_out_sample_rate=rate_of_pipeline), **params
        ) as served,
        Caller(served.url) as caller,
    ):
        await eventually(lambda: served.clients)
        await served.say(OutputAudioRawFrame(tone(0.5), 16000, 1), EndFrame())
        assert await caller.closed() == (1000, "the conversation is over")
        assert {(audio.sample_rate, audio.num_channels) for audio in caller.audio} == {expected}
        rate, num_channels = expected
        assert len(caller.pcm) / (2 * rate * num_channels) == pytest.approx(0.5, abs=0.001)
        left = samples(caller.pcm)[::num_channels]
        assert np.abs(np.diff(np.signbit(left).astype(int))).sum() == pytest.approx(440, abs=6)


async def test_audio_comes_in_real_time_in_chunks_of_the_asked_length() -> None:
    async with serving(audio_out_10ms_chunks=2) as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await served.say(OutputAudioRawFrame(tone(1.0, sample_rate=24000), 24000, 1), EndFrame())
        await caller.closed()
        assert {len(audio.audio) for audio in caller.audio} == {960}
        lasted_secs = caller.arrivals[-1] - caller.arrivals[0]
        assert lasted_secs == pytest.approx(1.0 - 0.08, abs=0.15)


async def test_with_add_wav_header_each_message_is_a_file() -> None:
    async with serving(add_wav_header=True) as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await served.say(OutputAudioRawFrame(tone(0.1, sample_rate=24000), 24000, 1), EndFrame())
        await caller.closed()
        pcm = b""
        for audio in caller.audio:
            with wave.open(io.BytesIO(audio.audio)) as file:
                pcm += file.readframes(file.getnframes())
        assert pcm == tone(0.1, sample_rate=24000)


async def test_audio_where_it_is_not_enabled_is_dropped_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(audio_out_enabled=False) as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        for _ in range(3):
            await served.say(OutputAudioRawFrame(tone(0.1), 16000, 1))
        await served.say(message("text goes"), EndFrame())
        await caller.closed()
        assert [frame.WhichOneof("frame") for frame in caller.messages] == ["message"]
        assert served.transport.stats.audio_out_dropped_secs == pytest.approx(0.3)
    assert caplog.text.count("drops all audio without audio_out_enabled=True") == 1


async def test_audio_of_half_a_sample_is_an_error_and_the_rest_is_whole() -> None:
    async with serving() as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        pcm = tone(0.1, sample_rate=24000)
        errors: list[ErrorFrame] = []

        @served.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame)

        await served.say(
            OutputAudioRawFrame(b"\0\0\0", 24000, 1), OutputAudioRawFrame(pcm, 24000, 1), EndFrame()
        )
        await caller.closed()
        assert caller.pcm == pcm
        assert "3 bytes; expected a multiple of 2" in errors[0].error


async def test_urgent_messages_overtake_the_audio() -> None:
    async with serving() as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await served.say(
            OutputAudioRawFrame(tone(0.5, sample_rate=24000), 24000, 1),
            message("last"),
            OutputTransportMessageUrgentFrame("first"),
            EndFrame(),
        )
        await caller.closed()
        kinds = [frame.WhichOneof("frame") for frame in caller.messages]
        assert kinds.index("message") <= 3
        assert kinds[-1] == "message"


async def test_the_pipeline_hears_when_the_bot_speaks() -> None:
    async with serving() as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await served.say(OutputAudioRawFrame(tone(0.2), 16000, 1), words("said"))
        await eventually(lambda: served.heard.of(BotStoppedSpeakingFrame))
        kinds = (BotStartedSpeakingFrame, TTSTextFrame, BotStoppedSpeakingFrame)
        assert served.said.names(*kinds) == [kind.__name__ for kind in kinds]
        assert set(served.heard.names(*kinds)) == {kind.__name__ for kind in kinds}
        assert served.said.of(BotStoppedSpeakingFrame)[0].played_secs == pytest.approx(
            0.2, abs=0.01
        )
        await caller.heard(round(0.2 * 48000) - 4)


# Time without activity.


async def test_silence_is_announced_once_and_again_after_activity() -> None:
    async with (
        serving(session_timeout=0.15, ping_interval_secs=0.05) as served,
        Caller(served.url) as caller,
    ):
        timeouts = [("timeout", 0)]
        await eventually(lambda: served.events[1:] == timeouts)
        await asyncio.sleep(0.3)  # Pings go to and fro, and are no activity.
        assert served.events[1:] == timeouts
        await caller.send("even a bad message is activity")
        await eventually(lambda: served.events[1:] == timeouts * 2)
        assert caller.close_code is None


async def test_activity_puts_the_timeout_off() -> None:
    async with serving(session_timeout=0.3) as served, Caller(served.url) as caller:
        for _ in range(12):
            await caller.send(json_message("1"))
            await asyncio.sleep(0.05)
        assert [name for name, _ in served.events] == ["connected"]


async def test_each_client_has_its_own_timeout() -> None:
    async with serving(session_timeout=0.1) as served:
        for number in range(2):
            async with Caller(served.url):
                await served.happened("timeout", number)
            await served.happened("disconnected", number)
        await asyncio.sleep(0.2)
        names = [name for name, _ in served.events]
        assert names == ["connected", "timeout", "disconnected"] * 2


async def test_a_client_that_has_left_is_not_announced_as_silent() -> None:
    async with serving(session_timeout=0.1) as served:
        async with Caller(served.url):
            await served.happened("connected", 0)
        await served.happened("disconnected", 0)
        await asyncio.sleep(0.2)
        assert served.events == [("connected", 0), ("disconnected", 0)]


async def test_a_timeouts_handler_can_close_the_client() -> None:
    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_session_timeout")
        async def hang_up(transport: object, client: ClientConnection) -> None:
            await client.close(4000, "are you there?")

    async with (
        serving(session_timeout=0.1, prepare=prepare) as served,
        Caller(served.url) as caller,
    ):
        assert await caller.closed() == (4000, "are you there?")
        await served.happened("disconnected", 0)


# Who may come in, and how much they may send.


async def test_a_page_of_a_foreign_origin_is_refused() -> None:
    async with serving(allowed_origins=["https://good.example"]) as served:
        async with Caller(served.url, origin="https://good.example"):
            await eventually(lambda: served.clients)
        with pytest.raises(InvalidStatus) as refusal:
            await connect(served.url, origin=Origin("https://evil.example"), proxy=None)
        assert refusal.value.response.status_code == 403


async def test_a_foreign_origin_is_refused_by_default() -> None:
    async with serving() as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(served.url, origin=Origin("https://evil.example"), proxy=None)
        assert refusal.value.response.status_code == 403
        assert served.events == []


async def test_a_message_longer_than_the_limit_closes_with_1009() -> None:
    async with serving(Echo(), max_message_bytes=4096) as served:
        async with Caller(served.url) as caller:
            await caller.send(audio_message(bytes(4000)))
            await eventually(lambda: served.heard.of(InputAudioRawFrame))
            await caller.send(audio_message(bytes(4200)))
            assert (await caller.closed())[0] == 1009
        async with Caller(served.url) as caller:
            await caller.speak(tone(0.1), message_secs=0.1)
            await eventually(lambda: caller.pcm)


async def test_a_client_that_answers_no_ping_is_closed() -> None:
    async with serving(ping_interval_secs=0.1, ping_timeout_secs=0.1) as served:
        async with Caller(served.url) as caller:
            await asyncio.sleep(0.4)
            assert caller.close_code is None  # It answers; `websockets` does so by itself.
        mute = await asyncio.open_connection("127.0.0.1", served.transport.port)
        await handshake(*mute)
        await served.happened("connected", 1)
        await served.happened("disconnected", 1)
        mute[1].close()


async def handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str = "/"
) -> None:
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")


# Ends.


async def test_an_end_sends_and_plays_out_all_that_waits_and_closes_with_1000() -> None:
    async with serving() as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        pcm = tone(0.533, sample_rate=24000)
        await served.say(
            OutputAudioRawFrame(pcm, 24000, 1),
            message("the last word"),
            EndFrame(),
            OutputAudioRawFrame(pcm, 24000, 1),
        )
        began = asyncio.get_running_loop().time()
        assert await caller.closed() == (1000, "the conversation is over")
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.533, abs=0.2)
        assert caller.pcm == pcm
        assert "the last word" in caller.messages[-1].message.data
        await served.finished()
        assert served.events == [("connected", 0), ("disconnected", 0)]


async def test_a_cancellation_ends_at_once_with_1001() -> None:
    async with serving() as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await served.say(OutputAudioRawFrame(tone(30.0), 16000, 1))
        await eventually(lambda: caller.pcm)
        began = asyncio.get_running_loop().time()
        await served.say(CancelFrame())
        assert await caller.closed() == (1001, "the server ends the conversation")
        await served.finished()
        assert asyncio.get_running_loop().time() - began < 1.0
        assert served.events == [("connected", 0), ("disconnected", 0)]
        assert served.said.names(BotStoppedSpeakingFrame, CancelFrame)[-2:] == [
            "BotStoppedSpeakingFrame",
            "CancelFrame",
        ]
        assert served.said.of(BotStoppedSpeakingFrame)[-1].interrupted


class SlowToEnd(FrameProcessor):
    """Takes its time over the last frame."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, CancelFrame | EndFrame):
            await asyncio.sleep(0.7)
        await self.push_frame(frame, direction)


@pytest.mark.parametrize(("end", "code"), [(CancelFrame, 1001), (EndFrame, 1000)])
async def test_the_client_does_not_wait_for_what_stands_behind_the_output(
    end: type[Frame], code: int
) -> None:
    async with serving(behind=SlowToEnd()) as served, Caller(served.url) as caller:
        await served.happened("connected", 0)
        began = asyncio.get_running_loop().time()
        await served.say(end())
        assert (await caller.closed())[0] == code
        assert asyncio.get_running_loop().time() - began < 0.5
        await served.finished()


async def test_a_pipeline_that_is_stopped_lets_its_client_go() -> None:
    async with serving() as served, Caller(served.url) as caller:
        await served.happened("connected", 0)
        pcm = tone(0.2, sample_rate=24000)
        await served.say(OutputAudioRawFrame(pcm, 24000, 1), StopFrame())
        assert await caller.closed() == (1001, "the server ends the conversation")
        assert caller.pcm == pcm
        await served.finished()


async def test_an_end_without_a_client_ends_at_once() -> None:
    async with serving() as served:
        await served.say(OutputAudioRawFrame(tone(30.0), 16000, 1), EndFrame())
        await served.finished()


async def test_after_the_end_nothing_is_left() -> None:
    before = asyncio.all_tasks()
    async with serving(Echo(), vad_analyzer=ToneVAD(), session_timeout=60) as served:
        port = served.transport.port
        async with Caller(served.url) as caller:
            await caller.speak(tone(0.3))
            await eventually(lambda: caller.pcm)
            await served.say(EndFrame())
            await caller.closed()
            await served.finished()
        assert asyncio.all_tasks() == before
        with pytest.raises(OSError, match=r"Connect call failed|Connection refused|refused"):
            await asyncio.open_connection("127.0.0.1", port)
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
        vad = served.transport.params.vad_analyzer
        assert isinstance(vad, ToneVAD)
        assert vad.num_open == 0


async def test_a_client_that_does_not_answer_the_close_does_not_keep_the_server() -> None:
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.transport.port)
        await handshake(reader, writer)
        await eventually(lambda: served.clients)
        began = asyncio.get_running_loop().time()
        await served.say(CancelFrame())
        await served.finished()
        assert asyncio.get_running_loop().time() - began < 4.0
        assert served.events == [("connected", 0), ("disconnected", 0)]
        writer.close()


async def test_a_handler_may_end_the_pipeline_when_its_client_leaves() -> None:
    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_disconnected")
        async def over(transport: object, client: object) -> None:
            await served.task.cancel()

    async with serving(prepare=prepare) as served:
        async with Caller(served.url):
            await eventually(lambda: served.clients)
        await served.finished()


async def test_the_port_belongs_to_somebody_else() -> None:
    async with serving() as served:
        transport = WebsocketServerTransport(host="127.0.0.1", port=served.transport.port)
        task = PipelineTask(Pipeline([transport.input(), transport.output()]))
        with pytest.raises(AddressInUseError, match=f"port {served.transport.port} on 127.0.0.1"):
            await PipelineRunner(handle_sigint=False).run(task)


async def test_port_0_picks_one_and_tells_which() -> None:
    async with serving() as first, serving() as second:
        assert first.transport.port != second.transport.port
        for served in (first, second):
            assert served.transport.port > 0
            async with Caller(served.url):
                await served.happened("connected", 0)


async def test_a_transport_is_for_one_pipeline() -> None:
    async with serving() as served:
        transport = served.transport
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))
    with pytest.raises(RuntimeError, match="make a new one"):
        await PipelineRunner(handle_sigint=False).run(task)


async def test_a_pipeline_without_an_output_hears_too() -> None:
    transport = WebsocketServerTransport(
        host="127.0.0.1", port=0, params=WebsocketServerParams(audio_in_enabled=True)
    )
    recorder = Recorder()
    task = PipelineTask(Pipeline([transport.input(), recorder]))
    run = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
    await eventually(lambda: transport.port)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        async with Caller(f"ws://127.0.0.1:{transport.port}") as caller:
            await caller.speak(tone(0.1))
            await eventually(lambda: recorder.of(InputAudioRawFrame))
        recorder.frames.clear()
    await task.cancel()
    await run
    assert asyncio.get_running_loop().time() - began < 3.0


async def test_a_session_that_cannot_be_made_does_not_end_the_server(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    async with serving(Echo(), vad_analyzer=ToneVAD()) as served:
        with monkeypatch.context() as context, caplog.at_level(logging.ERROR):
            context.setattr(ToneVAD, "open_detector", fail)
            async with Caller(served.url) as caller:
                assert (await caller.closed())[0] == 1011
        assert "its session failed" in caplog.text
        async with Caller(served.url) as caller:
            await caller.speak(tone(0.1))
            await eventually(lambda: caller.pcm)


async def test_a_caller_who_leaves_while_the_bot_speaks_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        for number in range(3):
            async with Caller(served.url) as caller:
                await served.happened("connected", number)
                await served.say(OutputAudioRawFrame(tone(5.0), 16000, 1))
                await caller.heard()
            await served.happened("disconnected", number)
            stops = served.said.of(BotStoppedSpeakingFrame)
            assert [stop.interrupted for stop in stops] == [True] * (number + 1)
        assert served.transport.stats.clients == 3
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_sending_to_a_client_that_has_left_says_so() -> None:
    async with serving() as served:
        async with Caller(served.url):
            await eventually(lambda: served.clients)
        await served.happened("disconnected", 0)
        assert not served.client.is_open
        with pytest.raises(SessionClosed):
            await served.client.send(b"late")
        await served.client.close()


async def test_a_caller_speaks_while_the_server_is_stopped() -> None:
    async with serving(Echo(), vad_analyzer=ToneVAD()) as served, Caller(served.url) as caller:
        await eventually(lambda: served.clients)
        await caller.speak(tone(0.4))
        await eventually(lambda: caller.pcm)
        await served.task.stop_when_done()
        with suppress(ConnectionClosed):
            while caller.close_code is None:
                await caller.speak(tone(0.02), message_secs=0.02)
                await asyncio.sleep(0.02)
        assert caller.close_code == 1000
        await served.finished()


async def test_sigterm_lets_the_bot_finish_while_the_caller_talks() -> None:
    async with serving(vad_analyzer=None) as served, Caller(served.url) as caller:
        await served.happened("connected", 0)
        pcm = tone(0.5, sample_rate=24000)
        await served.say(OutputAudioRawFrame(pcm, 24000, 1))
        await caller.heard()
        os.kill(os.getpid(), signal.SIGTERM)
        with suppress(ConnectionClosed):
            while caller.close_code is None:
                await caller.speak(tone(0.02), message_secs=0.02)
                await asyncio.sleep(0.02)
        assert await caller.closed() == (1000, "the conversation is over")
        assert caller.pcm == pcm
        await served.finished()
        assert served.events == [("connected", 0), ("disconnected", 0)]


async def test_a_caller_who_was_announced_is_told_to_have_left_though_a_handler_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "GOODBYE_SECS", 0.1)
    monkeypatch.setattr(websocket, "HANDLERS_SECS", 0.3)

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def hang(transport: WebsocketServerTransport, client: ClientConnection) -> None:
            await asyncio.sleep(60.0)

    async with serving(prepare=prepare) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.transport.port)
        writer.write(upgrade("/"))
        await served.happened("connected", 0)
        await served.task.cancel()  # The goodbye is never answered.
        await served.finished()
        assert served.events == [("connected", 0), ("disconnected", 0)]
        writer.close()
