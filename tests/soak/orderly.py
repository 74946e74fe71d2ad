"""Callers who keep to the rules, in all dialects."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.soak.stage import PACKET_BYTES, PACKET_SECS, PATIENCE_SECS, Deed, Stage, drain
from tests.transports.client import audio_message
from voicewire.audio.resample import StreamNormalizer
from voicewire.sessions.ends import EndReason
from voicewire.testing import (
    AsteriskLine,
    ExotelLine,
    GenesysLine,
    PhoneLine,
    PlivoLine,
    SimulatedCaller,
    SimulatedPhone,
    TelnyxLine,
    TwilioLine,
    VonageLine,
)

REALTIME_RATE = 24000

LEFT = frozenset({EndReason.CALLER_LEFT})


async def talk(stage: Stage, *, can_flush: bool) -> None:
    """Speak, wait for the answer, and speak into it until it is enough."""
    async with SimulatedCaller(stage.url, can_flush=can_flush) as caller:
        enough_at = stage.some_secs()
        while True:
            said_at = await caller.say(stage.phrase())
            await caller.wait_for_audio(after=said_at, within_secs=PATIENCE_SECS)
            if caller.now() > enough_at:
                return
            await asyncio.sleep(stage.rng.uniform(0.1, stage.scale.pause_secs))


def by_telephone(line: type[PhoneLine]) -> Deed:
    async def telephone(stage: Stage) -> None:
        async with SimulatedPhone(stage.url + line.path, line()) as phone:
            said_at = await phone.say(stage.phrase())
            await phone.wait_until_heard(after=said_at, within_secs=PATIENCE_SECS)
            await phone.press("1#")
            await asyncio.sleep(stage.scale.pause_secs)
            await phone.hang_up()

    return Deed(f"calls by {line.__name__.removesuffix('Line')}", telephone, LEFT, weight=2)


async def packets(pcm: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield speech in real time, and a second of silence behind it."""
    loop = asyncio.get_running_loop()
    pcm += bytes(50 * size)
    began_at = loop.time()
    for number in range(len(pcm) // size):
        await asyncio.sleep(began_at + number * PACKET_SECS - loop.time())
        yield pcm[number * size : (number + 1) * size]


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Read on until a message of JSON has that type, or binary audio came for `audio`."""
    async with asyncio.timeout(PATIENCE_SECS):
        async for message in socket:
            if isinstance(message, bytes):
                if kind == "audio":
                    return {}
                continue
            said: dict[str, Any] = json.loads(message)
            assert said["type"] != "error", said
            if said["type"] == kind:
                return said
    raise AssertionError(f"the server has closed without {kind}: {socket.close_code}")


async def by_device(stage: Stage) -> None:
    async with stage.socket("/raw") as device:
        audio = {"codec": stage.rng.choice(("pcm", "pcmu")), "frame_ms": 20}
        audio["sample_rate"] = 16000 if audio["codec"] == "pcm" else 8000
        await device.send(json.dumps({"type": "hello", "audio_out": audio}))
        await until(device, "hello")
        hearing = asyncio.ensure_future(until(device, "audio"))
        async for packet in packets(stage.phrase(), PACKET_BYTES):
            await device.send(packet)
        await hearing
        reading = asyncio.ensure_future(drain(device))
        await asyncio.sleep(stage.scale.pause_secs)
        await device.send(json.dumps({"type": "interrupt"}))
        await device.close()
        await reading


async def by_openais_wire(stage: Stage) -> None:
    normalizer = StreamNormalizer(REALTIME_RATE, 1)
    pcm = normalizer.process(stage.phrase(), 16000, 1) + normalizer.flush()
    async with stage.socket("/v1/realtime?model=gpt-realtime") as client:
        await until(client, "session.created")
        hearing = asyncio.ensure_future(until(client, "input_audio_buffer.speech_stopped"))
        async for packet in packets(pcm, PACKET_BYTES * REALTIME_RATE // 16000):
            audio = base64.b64encode(packet).decode()
            await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await hearing
        reading = asyncio.ensure_future(drain(client))
        await asyncio.sleep(stage.scale.pause_secs)
        await client.close()
        await reading


async def come_and_go(stage: Stage) -> None:
    async with stage.socket() as socket:
        await socket.send(audio_message(bytes(PACKET_BYTES)))


async def be_told_goodbye(stage: Stage) -> None:
    async with stage.socket("/brief") as socket:
        await asyncio.wait_for(drain(socket), PATIENCE_SECS)
        assert socket.close_code == 1000


async def overstay(stage: Stage) -> None:
    async with stage.socket() as socket:
        reading = asyncio.ensure_future(drain(socket))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reading, stage.scale.session_secs + PATIENCE_SECS)
        assert socket.close_code == 4002


LINES = (TwilioLine, TelnyxLine, PlivoLine, ExotelLine, VonageLine, GenesysLine, AsteriskLine)

ORDERLY = [
    Deed("talks and flushes", lambda stage: talk(stage, can_flush=True), LEFT, weight=12),
    Deed("talks, cannot flush", lambda stage: talk(stage, can_flush=False), LEFT, weight=8),
    *(by_telephone(line) for line in LINES),
    Deed("calls by a device", by_device, LEFT, weight=8),
    Deed("calls by OpenAI's wire", by_openais_wire, LEFT, weight=6),
    Deed("comes and goes", come_and_go, LEFT, weight=8),
    Deed("is told goodbye", be_told_goodbye, frozenset({EndReason.BOT_FINISHED})),
]

OVERSTAYS = Deed("overstays", overstay, frozenset({EndReason.TIME_UP}), weight=1)
