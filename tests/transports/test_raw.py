"""Devices on the raw wire, over real sockets: the program of `docs/raw.md`, and what it needs."""

import asyncio
import json
import re
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect

from tests.audio.wideband import delay_of, delayed, frames_of, likeness, speech
from tests.sessions.serving import run_pipeline, voice_server
from tests.transports.client import Recorder, eventually
from tests.transports.fakes import tone
from voicewire.audio.opus import OpusDecoder, OpusEncoder
from voicewire.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor
from voicewire.sessions import SessionTransport, VoiceServer

PAGE = (Path(__file__).parents[2] / "docs/raw.md").read_text()
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN_JSON = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
READ = speech()[:128000]
TICKS = 20
"""Messages of audio in the bot's 5 s that a device plays before it interrupts."""


@asynccontextmanager
async def device(server: VoiceServer, **settings: Any) -> AsyncIterator[Socket]:
    """Connect and say hello."""
    async with connect(f"{server.url}/raw") as socket:
        await socket.send(json.dumps({"type": "hello", "events": False, **settings}))
        assert json.loads(await socket.recv())["type"] == "hello"
        yield socket


class Speaker(InlineProcessor):
    """Says five seconds to whoever sends a message, and answers it."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, InputTransportMessageFrame):
            self.push(OutputTransportMessageFrame({"heard": frame.message}))
            self.push(OutputAudioRawFrame(tone(5.0), 16000, 1))


class Reader(InlineProcessor):
    """Reads four seconds to whoever makes a sound, and keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = b""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if not self.heard:
                self.push(OutputAudioRawFrame(READ, 16000, 1))
            self.heard += frame.audio


@pytest.mark.anyio
async def test_the_program_of_the_page_talks_with_a_bot(tmp_path: Path) -> None:
    (tmp_path / "device.py").write_text(PROGRAM)
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    asked = speech()[-64000:]
    with wave.open(str(question), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(asked)
    reader = Reader()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, reader)

    async with voice_server(bot) as server:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, str(tmp_path / "device.py"), f"{server.url}/raw"),
            *(str(question), str(answer), "3"),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await program.communicate()
        assert program.returncode == 0
        assert b"'type': 'hello'" in said
        assert server.stats.messages_refused == {}
    assert reader.heard == asked + bytes(32000)
    with wave.open(str(answer)) as file:
        heard = file.readframes(file.getnframes())
    assert len(heard) == 96000
    delay = delay_of(heard, READ[:32000], 16000)
    assert heard[2 * delay :][:48000] == READ[:48000]


def test_the_program_of_the_page_is_short() -> None:
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 50


@pytest.mark.anyio
async def test_what_the_page_calls_the_defaults_are_the_defaults() -> None:
    shown = json.loads(SHOWN_JSON[0])
    async with voice_server() as server, connect(f"{server.url}/raw") as socket:
        await socket.send('{"type": "hello"}')
        assert json.loads(await socket.recv()) == shown


@pytest.mark.anyio
@pytest.mark.skipif(find_spec("opuslib_next") is None, reason="the extra 'opus' is not installed")
async def test_the_hello_of_opus_is_answered_in_opus() -> None:
    hello = json.loads(SHOWN_JSON[-1])
    encoder, decoder = OpusEncoder(16000), OpusDecoder(16000)
    asked = speech()[-64000:]
    answer = b""
    reader = Reader()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, reader)

    async with voice_server(bot) as server, device(server, **hello) as socket:
        for frame in frames_of(asked, 640):
            await socket.send(encoder.encode(frame))
        async with asyncio.timeout(10.0):
            while len(answer) < 38400:
                message = await socket.recv()
                assert isinstance(message, bytes)
                answer += decoder.decode(message)
        await eventually(lambda: len(reader.heard) == len(asked))
    for heard, said in ((answer, READ[: len(answer)]), (reader.heard, asked)):
        assert likeness(heard, delayed(said, delay_of(heard, said, 320))) > 0.8


@pytest.mark.anyio
async def test_every_message_has_the_length_that_was_agreed_and_nothing_is_lost() -> None:
    async with (
        voice_server() as server,
        device(server, audio_out={"sample_rate": 8000, "frame_ms": 60}) as socket,
    ):
        await socket.send(tone(0.5))
        heard: list[str | bytes] = []
        async with asyncio.timeout(10.0):
            while len(heard) < 9:  # 8.3 of them, filled with silence
                heard.append(await socket.recv())
    assert {len(message) for message in heard} == {8000 * 60 // 500}


@pytest.mark.anyio
async def test_a_device_says_how_much_of_an_answer_it_has_played_and_flushes_the_rest() -> None:
    seen = Recorder()

    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, Speaker(), seen)

    async with voice_server(bot) as server, device(server) as socket:
        await socket.send('{"type": "message", "data": "speak"}')
        answer = json.loads(await socket.recv())
        assert answer == {"type": "message", "data": {"heard": "speak"}}
        num_messages = 0
        async with asyncio.timeout(10.0):
            while isinstance(message := await socket.recv(), bytes):
                num_messages += 1
                if num_messages == TICKS:  # It has played half of them, and is slow.
                    await socket.send(json.dumps({"type": "played", "ms": 10 * TICKS}))
                    await socket.send('{"type": "interrupt"}')
        assert json.loads(message) == {"type": "flush", "stream": 1}
        await eventually(lambda: seen.of(BotStoppedSpeakingFrame))
        (stopped,) = seen.of(BotStoppedSpeakingFrame)
        assert stopped.interrupted
        assert stopped.played_secs == pytest.approx(0.01 * TICKS, abs=0.15)
        assert num_messages * 0.02 < 2.0


@pytest.mark.anyio
@pytest.mark.parametrize(("flush", "ahead_secs"), [(True, 1.0), (False, 0.08)])
async def test_a_device_is_kept_as_far_ahead_as_it_can_take_back(
    flush: bool, ahead_secs: float
) -> None:
    async def bot(transport: SessionTransport) -> None:
        await run_pipeline(transport, Speaker())

    async with voice_server(bot) as server, device(server, flush=flush) as socket:
        await socket.send('{"type": "message", "data": "speak"}')
        got_secs = 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                async for message in socket:
                    got_secs += 0.02 * isinstance(message, bytes)
    assert ahead_secs + 0.2 < got_secs < ahead_secs + 0.65


@pytest.mark.anyio
async def test_a_wrong_hello_may_be_said_again_and_audio_does_not_wait_for_the_answer() -> None:
    heard = Recorder()

    async def bot(transport: SessionTransport) -> None:
        assert transport.dialect == "raw"
        await run_pipeline(transport, heard)

    async with voice_server(bot) as server, connect(f"{server.url}/detect") as socket:
        await socket.send('{"type": "hello", "audio_in": {"codec": "mp3"}}')
        error = json.loads(await socket.recv())
        assert (error["type"], error["kind"]) == ("error", "invalid_hello")
        await socket.send('{"type": "hello", "audio_in": {"codec": "pcmu"}}')
        for _ in range(50):
            await socket.send(bytes([0x55]) * 160)
        assert json.loads(await socket.recv())["audio_in"]["codec"] == "pcmu"
        await eventually(
            lambda: sum(each.num_frames for each in heard.of(InputAudioRawFrame)) > 15800
        )


@pytest.mark.anyio
async def test_a_bad_device_harms_nobody_else() -> None:
    async with (
        voice_server() as server,
        device(server) as bad,
        device(server) as good,
    ):
        for message in (b"", b"\0", "{", '{"type": "played", "ms": -1}', "[]", b"\0\0\0"):
            await bad.send(message)
        kinds = [json.loads(await bad.recv())["kind"] for _ in range(5)]
        assert kinds == [
            "empty_audio",
            "partial_sample",
            "invalid_json",
            "invalid_field",
            "not_an_object",
        ]
        assert server.stats.messages_refused["partial_sample"] == 2
        for socket in (bad, good):
            await socket.send(tone(0.2))
            assert len(await socket.recv()) == 640
