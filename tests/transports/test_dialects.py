"""Clients of several wires at one port: by path, by subprotocol, and by what they say first."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.sessions.serving import echo, run_pipeline, voice_server
from tests.transports.client import Caller, Recorder, eventually
from tests.transports.fakes import ToneVAD, tone
from voicewire.errors import ConfigurationError, FrameDecodeError
from voicewire.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    PlayoutMarkFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor
from voicewire.serializers import Call, FrameSerializer, ProtobufFrameSerializer
from voicewire.serializers.detect import DetectSerializer
from voicewire.sessions import Bot, SessionTransport, VoiceServer
from voicewire.transports import WebsocketServerParams, introduction

pytestmark = pytest.mark.anyio


class Exchange(FrameSerializer):
    """A telephone exchange with a wire of its own: text says things, binary is 8 kHz audio."""

    dialect = "exchange"
    subprotocol = "exchange.v1"
    has_marks = True
    can_clear = True

    def __init__(self) -> None:
        self._replies: list[bytes | str] = []
        self._call: Call | None = None

    @property
    def sample_rate(self) -> int:
        return 8000

    @property
    def call(self) -> Call | None:
        return self._call

    @property
    def has_started(self) -> bool:
        return self._call is not None

    def knows(self, first_message: bytes | str) -> bool:
        return isinstance(first_message, str) and "exchange" in first_message

    def take_replies(self) -> list[bytes | str]:
        replies, self._replies = self._replies, []
        return replies

    def mark(self, name: str) -> str:
        return json.dumps({"mark": name})

    def goodbye(self) -> str:
        return json.dumps({"goodbye": True})

    def serialize(self, frame: Frame) -> bytes | str | None:
        if isinstance(frame, OutputAudioRawFrame):
            assert (frame.sample_rate, frame.num_channels) == (8000, 1)
            return frame.audio
        return json.dumps({"clear": True}) if isinstance(frame, InterruptionFrame) else None

    def deserialize(self, data: bytes | str) -> Frame | None:
        if isinstance(data, bytes):
            if self._call is None:
                raise FrameDecodeError("media_before_start", "audio before it is known who calls")
            return InputAudioRawFrame(data, 8000, 1)
        said = json.loads(data)
        if "mark" in said:
            return PlayoutMarkFrame(said["mark"])
        if "from" in said:
            self._call = Call("exchange", "1", "", said["from"])
        self._replies.append(json.dumps({"heard": sorted(said)}))
        return None


class Talker(InlineProcessor):
    """Says so much as soon as a caller says anything."""

    def __init__(self, secs: float) -> None:
        super().__init__()
        self._secs = secs
        self._has_begun = False

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, InputAudioRawFrame) and not self._has_begun:
            self._has_begun = True
            self.push(OutputAudioRawFrame(tone(self._secs), 16000, 1))


HELLO = json.dumps({"from": "+1 555 0100", "at": "exchange"})


@asynccontextmanager
async def exchange_server(bot: Bot = echo, **params: Any) -> AsyncIterator[VoiceServer]:
    async with voice_server(bot, dialects={"/exchange": Exchange()}, **params) as server:
        yield server


async def heard_by(socket: Socket, size: int) -> bytes:
    """Return so much audio."""
    pcm = b""
    async with asyncio.timeout(5.0):
        while len(pcm) < size:
            message = await socket.recv()
            if isinstance(message, bytes):
                pcm += message
    return pcm


async def test_one_server_speaks_to_each_in_their_own_wire() -> None:
    seen: dict[str, tuple[str | None, Call | None]] = {}

    async def bot(transport: SessionTransport) -> None:
        seen[transport.client.path] = (transport.dialect, transport.call)
        await echo(transport)

    async with (
        exchange_server(bot) as server,
        Caller(f"{server.url}/ws") as browser,
        connect(f"{server.url}/exchange") as phone,
        connect(f"{server.url}/other", subprotocols=[Subprotocol("exchange.v1")]) as other,
    ):
        for each in (phone, other):
            await each.send(HELLO)
            assert json.loads(await each.recv()) == {"heard": ["at", "from"]}
        await browser.speak(tone(0.2))
        await phone.send(tone(0.2)[: 8000 // 5 * 2])
        await browser.heard(len(tone(0.2)))
        assert len(await heard_by(phone, 8000 // 5 * 2 - 200)) > 2800
    assert seen["/ws"] == ("protobuf", None)
    assert seen["/exchange"] == ("exchange", Call("exchange", "1", "", "+1 555 0100"))
    assert seen["/other"] == seen["/exchange"]


async def test_no_bot_is_called_before_it_is_known_who_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(introduction, "INTRODUCTION_SECS", 0.2)
    called = []

    async def bot(transport: SessionTransport) -> None:
        called.append(transport)
        await echo(transport)

    async with exchange_server(bot) as server, connect(f"{server.url}/exchange") as phone:
        await phone.send(b"\0\0" * 100)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(phone.recv(), 5.0)
        assert phone.close_code == 1008
        assert called == []
        assert server.stats.messages_refused["media_before_start"] == 1
        await eventually(lambda: not server.sessions)


async def test_what_follows_the_introduction_is_kept_for_a_slow_bot() -> None:
    begin = asyncio.Event()
    heard = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await begin.wait()
        await run_pipeline(transport, heard)

    async with exchange_server(bot) as server, connect(f"{server.url}/exchange") as phone:
        await phone.send(HELLO)
        for _ in range(25):
            await phone.send(tone(0.02)[:320])
        await asyncio.sleep(0.1)
        assert heard.frames == []
        begin.set()
        await eventually(
            lambda: sum(len(each.audio) for each in heard.of(InputAudioRawFrame)) > 2 * 7600
        )


async def test_a_caller_who_leaves_at_the_door_leaves_nothing() -> None:
    async with exchange_server() as server:
        async with connect(f"{server.url}/exchange"):
            await eventually(lambda: server.sessions)
        await eventually(lambda: not server.sessions)


async def test_marks_tell_what_was_heard_of_an_answer_that_was_cut_off() -> None:
    seen = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, seen, Talker(5.0))

    async with (
        exchange_server(bot, vad_analyzer=ToneVAD()) as server,
        connect(f"{server.url}/exchange") as phone,
    ):
        await phone.send(HELLO)
        await phone.send(bytes(320))
        played = 0
        clear_at = None
        async with asyncio.timeout(10.0):
            while clear_at is None:
                message = await phone.recv()
                if isinstance(message, bytes):
                    played += len(message)
                    if played == 8000 * 2:  # It plays one second, and then its line is slow.
                        await phone.send(json.dumps({"mark": "nobody's"}))
                elif "clear" in message:
                    clear_at = played
                elif "mark" in message and played <= 8000 * 2:
                    await phone.send(message)
                elif played > 8000 * 3:
                    await phone.send(tone(0.5)[: 2 * 8000])
        await eventually(lambda: seen.of(BotStoppedSpeakingFrame))
        stopped = seen.of(BotStoppedSpeakingFrame)[0]
        assert stopped.interrupted
        assert 0.8 < stopped.played_secs < 2.2


async def test_the_first_message_tells_where_nothing_else_does() -> None:
    detect = DetectSerializer([Exchange(), ProtobufFrameSerializer()])
    async with voice_server(echo, dialects={"/detect": detect}) as server:
        async with connect(f"{server.url}/detect") as phone:
            await phone.send(HELLO)
            assert json.loads(await phone.recv()) == {"heard": ["at", "from"]}
        async with Caller(f"{server.url}/detect") as browser:
            pcm = tone(0.2)
            await browser.speak(pcm)
            await browser.heard(len(pcm))
        async with connect(f"{server.url}/detect") as stranger:
            await stranger.send("?")
            await eventually(lambda: server.stats.messages_refused["unknown_dialect"])


def test_a_dialect_has_a_path() -> None:
    with pytest.raises(ConfigurationError, match="expected a path such as '/twilio'"):
        VoiceServer(echo, params=WebsocketServerParams(dialects={"twilio": Exchange()}))
