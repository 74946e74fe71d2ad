"""Opus on the protobuf wire, over real sockets: with a client that asks for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.rtvi.test_transport import OURS, Client
from tests.transports.client import Served, eventually, serving
from tests.transports.fakes import samples, tone
from voicewire.audio.opus import OpusDecoder, OpusEncoder
from voicewire.frames import (
    InputAudioRawFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from voicewire.serializers.protos import frames_pb2 as proto

pytestmark = pytest.mark.anyio

PITCH_HERTZ = 440
"""Of the tone."""


class OpusClient(Client):
    """A caller that speaks RTVI, and hears Opus."""

    @property
    def opus(self) -> list[bytes]:
        """The packets that have come."""
        return [frame.opus.packet for frame in self.messages if frame.WhichOneof("frame") == "opus"]


@asynccontextmanager
async def calling_opus(**params: Any) -> AsyncIterator[tuple[Served, OpusClient]]:
    async with serving(**params) as served, OpusClient(served.url) as client:
        yield served, client


def opus_message(packet: bytes) -> bytes:
    return proto.Frame(opus=proto.OpusFrame(packet=packet)).SerializeToString()


def pitch(pcm: bytes, sample_rate: int) -> float:
    """Return the loudest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples(pcm)))
    return float(np.argmax(spectrum)) * sample_rate / len(samples(pcm))


async def say_hello_with_opus(client: OpusClient) -> None:
    can = {"flush": True, "opus": True}
    await client.ask("client-ready", {"version": "2.1.0", "about": OURS, "voicewire": can})
    await client.hears("bot-ready")


async def test_opus_is_spoken_both_ways_with_a_client_that_asks_for_it() -> None:
    async with calling_opus() as (served, client):
        await say_hello_with_opus(client)
        assert [each["data"] for each in client.of("vw-codec")] == [{"codec": "opus"}]
        await served.say(
            TTSAudioRawFrame(tone(0.5, sample_rate=24_000), 24_000, 1), TTSStoppedFrame()
        )
        await eventually(lambda: len(client.opus) == 25)
        decoder = OpusDecoder(24_000)
        heard = b"".join(map(decoder.decode, client.opus))
        assert pitch(heard, 24_000) == pytest.approx(PITCH_HERTZ, abs=5)
        assert client.audio == []

        encoder = OpusEncoder(48_000)
        said = tone(0.5, sample_rate=48_000)
        for at in range(0, len(said), encoder.frame_bytes):
            packet = encoder.encode(said[at : at + encoder.frame_bytes])
            await client.send(opus_message(packet))
        await eventually(lambda: len(served.heard.of(InputAudioRawFrame)) == 25)
        frames = served.heard.of(InputAudioRawFrame)
        assert {(each.sample_rate, each.num_channels) for each in frames} == {(16_000, 1)}
        heard = b"".join(each.audio for each in frames)
        assert pitch(heard, 16_000) == pytest.approx(PITCH_HERTZ, abs=5)


async def test_an_interruption_leaves_nothing_of_the_old_answer_in_the_next_packet() -> None:
    async with calling_opus() as (served, client):
        await say_hello_with_opus(client)
        await served.say(TTSAudioRawFrame(tone(0.05, sample_rate=24_000), 24_000, 1))
        await eventually(lambda: len(client.opus) == 2)
        await asyncio.sleep(0.2)  # The rest of it, which is no whole packet, has had its turn.
        await served.say(InterruptionFrame())
        await client.hears("vw-flush")
        await served.say(TTSAudioRawFrame(bytes(24_000), 24_000, 1), TTSStoppedFrame())
        await eventually(lambda: len(client.opus) == 27)
    decoder = OpusDecoder(24_000)
    heard = [decoder.decode(packet) for packet in client.opus]
    assert max(np.abs(samples(heard[1]))) > 5000
    # The codec is 6.5 ms late, and rings; half a packet of the tone was left over, at 8000.
    assert max(np.abs(samples(b"".join(heard[2:]))[240:])) < 2000


@pytest.mark.parametrize(
    "params",
    [{"audio_out_channels": 2}, {"audio_out_sample_rate": 44_100}],
    ids=["stereo", "a rate that Opus has not"],
)
async def test_what_opus_cannot_carry_goes_as_pcm(params: dict[str, Any]) -> None:
    async with calling_opus(**params) as (served, client):
        await say_hello_with_opus(client)
        assert client.of("vw-codec") == []
        await served.say(
            TTSAudioRawFrame(tone(0.5, sample_rate=24_000), 24_000, 1), TTSStoppedFrame()
        )
        await eventually(lambda: bool(client.audio))
        assert client.opus == []


async def test_opus_that_was_not_agreed_or_is_none_harms_nothing() -> None:
    no_packet = opus_message(b"\xff" * 40)
    async with calling_opus() as (served, client):
        await client.say_hello()
        await client.send(no_packet)
        await eventually(lambda: served.transport.stats.messages_refused == {"unagreed_opus": 1})
    async with calling_opus() as (served, client):
        await say_hello_with_opus(client)
        await client.send(no_packet)
        await eventually(lambda: served.transport.stats.messages_refused == {"malformed_opus": 1})
        await client.ask("vw-ping", {"sent_at": 1.5})
        await client.hears("vw-pong")
