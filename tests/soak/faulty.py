"""Callers who do not keep to the rules, or whose network does not."""

import asyncio
import contextlib
import json

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.sessions.resuming import ResumingClient
from tests.soak.orderly import LEFT
from tests.soak.stage import (
    NOBODY,
    PACKET_BYTES,
    PACKET_SECS,
    PATIENCE_SECS,
    Deed,
    Stage,
    drain,
    reset,
)
from tests.transports.client import audio_message, json_message
from tests.transports.raw_peer import upgrade
from voicewire.cli.bench.parser import client_message
from voicewire.sessions.ends import EndReason

LOST = frozenset({EndReason.CONNECTION_LOST})
REFUSED = frozenset({EndReason.CALLER_REFUSED})

AUDIO = audio_message(bytes(PACKET_BYTES))

CLOSE = b"\x88\x80abcd"

LAGGED = (1013).to_bytes(2, "big") + b"you do not read"
"""In the close frame of a client that does not."""

POURED_BYTES = 1 << 24

SLOW_BYTES = 40_000
SLOW_WAIT_SECS = 0.1

FLOOD_PACKETS = 1500
"""Half a minute of audio, at once."""

MAX_MESSAGE_BYTES = 1 << 20


async def be_reset(stage: Stage) -> None:
    async with stage.bare_websocket() as (_, writer):
        pcm = stage.phrase()
        for at in range(0, stage.rng.randrange(PACKET_BYTES, len(pcm)), PACKET_BYTES):
            writer.write(client_message(audio_message(pcm[at : at + PACKET_BYTES])))
            await asyncio.sleep(PACKET_SECS)
        reset(writer)


async def be_reset_in_mid_message(stage: Stage) -> None:
    async with stage.bare_websocket() as (_, writer):
        message = client_message(AUDIO)
        writer.write(message + message[: stage.rng.randrange(1, len(message))])
        await asyncio.sleep(stage.scale.pause_secs)
        reset(writer)


async def half_close(stage: Stage) -> None:
    """Send a FIN and no close frame."""
    async with stage.bare_websocket() as (reader, writer):
        writer.write(client_message(AUDIO))
        writer.write_eof()
        await asyncio.wait_for(reader.read(), PATIENCE_SECS)


async def vanish(stage: Stage) -> None:
    """Stay connected, say nothing, and answer no ping."""
    async with stage.bare_websocket() as (reader, writer):
        writer.write(client_message(AUDIO))
        await asyncio.wait_for(reader.read(), 3 * stage.scale.ping_secs + PATIENCE_SECS)


async def never_read(stage: Stage) -> None:
    """Take nothing of what is poured out, and look only afterwards what became of it."""
    async with stage.bare_websocket("/pour", limit=POURED_BYTES) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport too
        await asyncio.sleep(1.5 * stage.scale.lag_secs)  # TCP is dropped 5 s after the goodbye.
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        await asyncio.wait_for(reader.readuntil(LAGGED), PATIENCE_SECS)
        writer.write(CLOSE)
        with contextlib.suppress(ConnectionResetError):  # Who closes with bytes unread resets.
            await asyncio.wait_for(reader.read(), PATIENCE_SECS)


async def read_slowly(stage: Stage) -> None:
    async with stage.bare_websocket("/pour") as (reader, writer):
        num_bytes = 0
        while num_bytes < 1_000_000:
            num_bytes += len(await asyncio.wait_for(reader.read(SLOW_BYTES), PATIENCE_SECS))
            await asyncio.sleep(SLOW_WAIT_SECS * stage.scale.pause_secs)
        writer.write(CLOSE)
        await asyncio.wait_for(reader.read(), PATIENCE_SECS)


async def be_silent(stage: Stage) -> None:
    """Say nothing for longer than a ping may take to be answered, but answer it."""
    async with stage.socket() as socket:
        await socket.send(AUDIO)
        await asyncio.sleep(3 * stage.scale.ping_secs)
        await socket.send(AUDIO)


async def babble(stage: Stage) -> None:
    """Say what no serializer understands, and then what it does."""
    async with stage.socket() as socket:
        reading = asyncio.ensure_future(drain(socket))
        for _ in range(50):
            junk = stage.rng.randbytes(stage.rng.randrange(1, 60))
            await socket.send(junk.hex() if stage.rng.random() < 0.3 else b"\xff" + junk)
            text = json.dumps({"label": "rtvi-ai", "type": junk.hex(), "id": 1, "data": [1]})
            await socket.send(json_message(text[: stage.rng.randrange(1, len(text))]))
        await socket.send(AUDIO)
        await asyncio.sleep(stage.scale.pause_secs)
        await socket.close()
        await reading


async def break_protocol(stage: Stage) -> None:
    """Send no WebSocket, no UTF-8, or too much."""
    offence = stage.rng.choice(
        (
            b"\x83\x80abcd",
            b"\x82\x05hello",
            b"\x81\x82\0\0\0\0\xff\xff",
            b"\x82\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big") + bytes(4),
        )
    )
    async with stage.bare_websocket() as (reader, writer):
        writer.write(client_message(AUDIO) + offence)
        await asyncio.wait_for(reader.read(), PATIENCE_SECS)


async def stall_at_the_door(stage: Stage) -> None:
    head = upgrade("/")
    async with stage.bare() as (_, writer):
        writer.write(head[: stage.rng.randrange(len(head))])
        await asyncio.sleep(stage.scale.pause_secs)


async def stall_in_mid_message(stage: Stage) -> None:
    async with stage.bare_websocket() as (reader, writer):
        message = client_message(AUDIO)
        cut = stage.rng.randrange(1, len(message))
        writer.write(message[:cut])
        await asyncio.sleep(stage.scale.pause_secs)
        writer.write(message[cut:] + CLOSE)
        await asyncio.wait_for(reader.read(), PATIENCE_SECS)


async def speak_http(stage: Stage) -> None:
    request = stage.rng.choice(
        (
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            b"POST /connect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab",
            b"\x16\x03\x01 no HTTP at all\r\n\r\n",
        )
    )
    async with stage.bare() as (reader, writer):
        writer.write(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(), stage.scale.pause_secs)


async def flood(stage: Stage) -> None:
    """Speak far faster than anybody can."""
    async with stage.bare_websocket() as (_, writer):
        for _ in range(FLOOD_PACKETS):
            writer.write(client_message(AUDIO))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), stage.scale.pause_secs)
        await asyncio.sleep(stage.scale.pause_secs)
        reset(writer)


async def lose_and_resume(stage: Stage) -> None:
    async with ResumingClient(stage.url) as client:
        for _ in range(3):
            await client.speak(0, 10)
            client.lose_connection()
            await client.speak(0, 5)
            await client.come_back()
            assert client.close_code is None, "the session was not there any more"


async def lose_for_good(stage: Stage) -> None:
    async with ResumingClient(stage.url) as client:
        await client.speak(0, 10)
        client.lose_connection()


async def resume_nothing(stage: Stage) -> None:
    async with stage.socket("/?resume=nobody&received=0") as socket:
        await asyncio.wait_for(drain(socket), PATIENCE_SECS)
        assert socket.close_code == 4004


async def be_foreign(stage: Stage) -> None:
    async with stage.bare() as (reader, writer):
        writer.write(upgrade("/", "Origin: https://example.com"))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_SECS)
        assert b" 403 " in head


async def say_nothing_at_the_telephone(stage: Stage) -> None:
    async with stage.socket("/twilio") as socket:
        await socket.send(json.dumps({"event": "connected", "protocol": "Call"}))
        with contextlib.suppress(ConnectionClosed, InvalidHandshake):
            await asyncio.wait_for(drain(socket), PATIENCE_SECS)


FAULTY = [
    Deed("is reset", be_reset, LOST, weight=6),
    Deed("is reset in mid-message", be_reset_in_mid_message, LOST),
    Deed("half-closes", half_close, LOST),
    Deed("vanishes", vanish, LOST),
    Deed("never reads", never_read, frozenset({EndReason.CALLER_LAGGED})),
    Deed("reads slowly", read_slowly, LEFT),
    Deed("is silent, but alive", be_silent, LEFT),
    Deed("babbles", babble, LEFT),
    Deed("breaks the protocol", break_protocol, REFUSED),
    Deed("stalls at the door", stall_at_the_door, NOBODY),
    Deed("stalls in mid-message", stall_in_mid_message, LEFT),
    Deed("speaks HTTP, or not even that", speak_http, NOBODY, weight=2),
    Deed("floods", flood, LOST, weight=2),
    Deed("is lost and resumes", lose_and_resume, LEFT, weight=6),
    Deed("is lost for good", lose_for_good, LOST),
    Deed("resumes nothing", resume_nothing, NOBODY, weight=2),
    Deed("is a foreign page", be_foreign, NOBODY, weight=2),
]

SAYS_NOT_WHO_CALLS = Deed("says not who calls", say_nothing_at_the_telephone, REFUSED, weight=2)
