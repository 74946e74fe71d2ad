"""Nothing of one caller reaches the next."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from tests.transports.client import (
    RATE,
    Caller,
    Echo,
    Recorder,
    Served,
    audio_message,
    eventually,
    json_message,
    serving,
)
from tests.transports.fakes import ToneVAD, message, samples, tone
from voicewire.context import LLMContext
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    LLMMessagesFrame,
    LLMTextFrame,
    Message,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    StartFrame,
    TextFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, FrameProcessor
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.services.llm import LLMService
from voicewire.services.stt import SegmentedSTTService
from voicewire.services.tts import TTSService
from voicewire.transports.connection import Connection
from voicewire.transports.websocket_server import WebsocketServerTransport

pytestmark = pytest.mark.anyio


async def come_and_go(served: Served, number: int) -> None:
    async with Caller(served.url):
        await served.happened("connected", number)
    await served.happened("disconnected", number)


async def test_audio_queued_for_a_caller_who_left_is_never_said() -> None:
    async with serving() as served:
        async with Caller(served.url) as first:
            await served.happened("connected", 0)
            await served.say(OutputAudioRawFrame(tone(30.0), RATE, 1), message("for the first"))
            await first.heard()
        async with Caller(served.url) as second:
            await served.happened("connected", 1)
            await served.say(OutputAudioRawFrame(bytes(9600), 24000, 1), EndFrame())
            await second.closed()
            assert not samples(second.pcm).any()
            assert {frame.WhichOneof("frame") for frame in second.messages} == {"audio"}


async def test_audio_for_nobody_is_never_said() -> None:
    async with serving() as served:
        await come_and_go(served, 0)
        await served.say(OutputAudioRawFrame(tone(5.0), RATE, 1), message("for nobody"))
        async with Caller(served.url) as second:
            await served.happened("connected", 1)
            await served.say(message("for you"), EndFrame())
            await second.closed()
            assert [frame.message.data for frame in second.messages] == ['{"text": "for you"}']


async def test_a_client_of_another_rate_does_not_lock_the_resampler() -> None:
    async with serving(Echo()) as served:
        async with Caller(served.url) as first:
            await first.speak(
                tone(0.5, sample_rate=44100, num_channels=2), sample_rate=44100, num_channels=2
            )
            await first.heard(4700)
        await served.happened("disconnected", 0)
        served.heard.frames.clear()
        async with Caller(served.url) as second:
            await second.speak(tone(0.5))
            await eventually(lambda: served.heard.of(InputAudioRawFrame))
            (frame,) = served.heard.of(InputAudioRawFrame)
            assert frame.audio == tone(0.5)


async def test_the_resamplers_memory_goes_with_its_caller() -> None:
    async with serving() as served:
        async with Caller(served.url) as first:
            await first.speak(tone(0.5, sample_rate=48000), sample_rate=48000)
            await eventually(lambda: served.heard.of(InputAudioRawFrame))
        await served.happened("disconnected", 0)
        served.heard.frames.clear()
        async with Caller(served.url) as second:
            await second.speak(bytes(96000), sample_rate=48000)
            await eventually(lambda: served.heard.of(InputAudioRawFrame))
            assert not samples(served.heard.of(InputAudioRawFrame)[0].audio).any()


async def test_a_caller_who_left_in_mid_speech_does_not_speak_through_the_next() -> None:
    async with serving(vad_analyzer=ToneVAD()) as served:
        async with Caller(served.url) as first:
            await first.speak(tone(0.5))
            await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
        await served.happened("disconnected", 0)
        for number in (1, 2):
            served.heard.frames.clear()
            async with Caller(served.url) as caller:
                await caller.speak(tone(0.15))  # Too short by itself.
                await eventually(lambda: served.heard.of(InputAudioRawFrame))
                assert served.heard.of(UserStartedSpeakingFrame) == []
                await caller.speak(tone(0.3))
                await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
            await served.happened("disconnected", number)


async def test_one_stray_byte_makes_vad_deaf_for_nobody() -> None:
    async with serving(vad_analyzer=ToneVAD()) as served:
        for number in range(2):
            served.heard.frames.clear()
            async with Caller(served.url) as caller:
                await caller.send(audio_message(b"\x01" + tone(0.02)))
                await caller.speak(tone(0.5))
                await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
            await served.happened("disconnected", number)
        assert served.transport.stats.messages_refused == {"partial_sample": 2}


async def test_a_half_sent_message_goes_with_its_caller() -> None:
    whole = json_message('{"n": 1}')
    async with serving() as served:
        async with Caller(served.url) as first:
            await served.happened("connected", 0)

            async def half() -> AsyncGenerator[bytes, None]:
                yield whole[:4]
                await asyncio.sleep(0.05)
                first.socket.transport.abort()
                await asyncio.Event().wait()

            sending = asyncio.create_task(first.socket.send(half()))
            await served.happened("disconnected", 0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        async with Caller(served.url) as second:
            await second.send(whole[4:])
            await second.send(whole)
            await eventually(lambda: served.transport.stats.messages_in == 2)
            assert sum(served.transport.stats.messages_refused.values()) == 1
            assert second.close_code is None


class Counting(ProtobufFrameSerializer):
    """Remembers something of its peer."""

    def __init__(self) -> None:
        super().__init__()
        self.num_seen = 0

    def deserialize(self, data: bytes | str) -> Frame:
        self.num_seen += 1
        return InputTransportMessageFrame(self.num_seen)


async def test_what_a_serializer_remembers_goes_with_its_caller() -> None:
    async with serving(serializer=Counting()) as served:
        for number in range(2):
            async with Caller(served.url) as caller:
                await caller.send(b"1")
                await caller.send(b"2")
                await eventually(lambda: len(served.heard.of(InputTransportMessageFrame)) == 2)
            await served.happened("disconnected", number)
            assert [f.message for f in served.heard.of(InputTransportMessageFrame)] == [1, 2]
            served.heard.frames.clear()


def not_reading(port: int) -> socket.socket:
    """Return a WebSocket that takes next to nothing and never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", port))
    sock.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return sock


async def test_a_client_that_does_not_read_is_closed_and_the_next_one_hears() -> None:
    async with serving(
        audio_out_max_lag_secs=0.3, audio_out_lead_secs=10.0, audio_out_max_queued_secs=600.0
    ) as served:
        with not_reading(served.transport.port):
            await served.happened("connected", 0)
            for _ in range(100):
                await served.say(OutputAudioRawFrame(bytes(2 * 48000), 24000, 2))
                await served.say(message("x" * 50_000))
            await eventually(lambda: served.transport.stats.lagging_clients)
            connection = served.client._connection
            assert isinstance(connection, Connection)
            assert connection.num_buffered_bytes < 300_000
            began = time.monotonic()
            async with Caller(served.url) as second:
                await served.happened("connected", 1)
                assert time.monotonic() - began < 2.0
                pcm = tone(0.2, sample_rate=24000)
                await served.say(OutputAudioRawFrame(pcm, 24000, 1), EndFrame())
                await second.closed()
                assert second.pcm == pcm


async def test_a_client_that_does_not_read_is_told_why() -> None:
    async with (
        serving(audio_out_max_lag_secs=0.3) as served,
        Caller(served.url, max_queue=1) as caller,
    ):
        await served.happened("connected", 0)
        caller._reader.cancel()
        await asyncio.gather(caller._reader, return_exceptions=True)
        for _ in range(200):
            await served.say(message("x" * 100_000))
        await eventually(lambda: served.transport.stats.lagging_clients)
        caller._reader = asyncio.create_task(caller._read())
        assert await caller.closed() == (1013, "you do not read what is sent to you")


# Services.


class SlowSTT(SegmentedSTTService):
    """Takes until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.heard: list[bytes] = []

    async def transcribe(self, pcm: bytes) -> str:
        self.heard.append(pcm)
        await self.go_on.wait()
        return "words of the first"


async def test_a_transcription_of_the_old_caller_is_dropped() -> None:
    stt, recorder = SlowSTT(), Recorder()
    async with serving(stt, recorder, vad_analyzer=ToneVAD()) as served:
        async with Caller(served.url) as first:
            await first.speak(tone(0.5) + bytes(2 * RATE))
            await eventually(lambda: stt.heard)
        await served.happened("disconnected", 0)
        async with Caller(served.url) as second:
            await served.happened("connected", 1)
            stt.go_on.set()
            await second.speak(tone(0.5) + bytes(2 * RATE))
            await eventually(lambda: recorder.of(TranscriptionFrame))
            assert len(recorder.of(TranscriptionFrame)) == 1
            assert len(stt.heard) == 2


async def test_what_the_old_caller_said_is_not_transcribed_for_the_next() -> None:
    stt = SlowSTT()
    stt.go_on.set()
    async with serving(stt, vad_analyzer=ToneVAD()) as served:
        async with Caller(served.url) as first:
            await first.speak(tone(0.5))
            await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
        await served.happened("disconnected", 0)
        async with Caller(served.url) as second:
            await second.speak(tone(0.3) + bytes(2 * RATE))
            await eventually(lambda: stt.heard)
            assert np.count_nonzero(samples(stt.heard[-1])) <= 0.31 * RATE


class Parrot(LLMService):
    """Answers with the number of messages that it knows, slowly."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[Message]] = []
        self.is_slow = True

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        self.asked.append(list(context.messages))
        yield "secret of the first. "
        if self.is_slow:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.05)  # Such as closing a connection.


async def test_the_old_callers_conversation_is_not_the_next_ones() -> None:
    llm = Parrot()
    async with serving(llm) as served:
        async with Caller(served.url):
            await served.happened("connected", 0)
            await served.say(LLMMessagesFrame([{"role": "user", "content": "I am the first"}]))
            await eventually(lambda: llm.asked)
        await served.happened("disconnected", 0)
        llm.is_slow = False
        async with Caller(served.url):
            await served.happened("connected", 1)
            await asyncio.sleep(0.1)
            await served.say(TranscriptionFrame("I am the second", "", ""))
            await eventually(lambda: len(llm.asked) == 2)
            assert llm.asked[1] == [{"role": "user", "content": "I am the second"}]


class Singer(TTSService):
    """Never stops."""

    def __init__(self) -> None:
        super().__init__(sample_rate=24000)

    async def run_tts(self, text: str) -> AsyncGenerator[bytes, None]:
        while True:
            yield tone(0.1, sample_rate=24000)
            await asyncio.sleep(0.01)


async def test_speech_that_is_being_made_for_the_old_caller_ends_with_it() -> None:
    async with serving(Singer()) as served:
        async with Caller(served.url) as first:
            await served.happened("connected", 0)
            await served.say(TTSSpeakFrame("la"))
            await first.heard()
        async with Caller(served.url) as second:
            await served.happened("connected", 1)
            await asyncio.sleep(0.1)
            assert second.messages == []


async def test_an_interruption_ends_speech_that_is_being_made() -> None:
    async with serving(Singer()) as served, Caller(served.url) as caller:
        await served.happened("connected", 0)
        await served.say(TTSSpeakFrame("la"))
        await caller.heard(48000)
        await served.say(InterruptionFrame())
        heard_bytes = len(caller.pcm)
        await asyncio.sleep(0.2)
        assert len(caller.pcm) - heard_bytes <= 0.081 * 48000


class Reluctant(FrameProcessor):
    """A user's own step: takes every frame, and takes its time over being cancelled."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, TextFrame):
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.2)
        await self.push_frame(frame, direction)


class Babbler(FrameProcessor):
    """Speaks from a task of its own until its caller has left."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, StartFrame):
            self.create_task(self._babble())
        elif isinstance(frame, ClientDisconnectedFrame):
            self.is_on.clear()
        elif isinstance(frame, LLMTextFrame):
            self.is_on.set()
        await self.push_frame(frame, direction)

    async def _babble(self) -> None:
        while True:
            await self.is_on.wait()
            await self.push_frame(OutputTransportMessageFrame("secret of the first"))
            await asyncio.sleep(0.001)


async def test_the_next_caller_comes_when_every_step_has_let_go_of_the_one_before() -> None:
    babbler = Babbler()
    async with serving(Reluctant(), babbler) as served:
        async with Caller(served.url) as first:
            await served.happened("connected", 0)
            babbler.is_on.set()
            await eventually(lambda: first.messages)
            await served.say(TextFrame("stuck"))
            await asyncio.sleep(0.05)
        async with Caller(served.url) as second:
            await served.happened("connected", 1)
            await asyncio.sleep(0.1)
            assert second.messages == []


async def test_a_step_that_keeps_the_farewell_delays_the_next_caller_but_not_for_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keeper(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            if not isinstance(frame, ClientDisconnectedFrame):
                await self.push_frame(frame, direction)

    monkeypatch.setattr("voicewire.transports.websocket_server.FORGET_SECS", 0.1)
    async with serving(Keeper()) as served:
        await come_and_go(served, 0)
        await come_and_go(served, 1)
    assert "has not come through the pipeline" in caplog.text


async def test_services_are_told_of_callers_who_come_and_go() -> None:
    async with serving() as served:
        await come_and_go(served, 0)
        kinds = (ClientConnectedFrame, ClientDisconnectedFrame)
        await eventually(lambda: len(served.said.names(*kinds)) == 2)
        assert served.said.names(*kinds) == [kind.__name__ for kind in kinds]
        assert isinstance(served.transport, WebsocketServerTransport)
        assert served.transport.client is None
