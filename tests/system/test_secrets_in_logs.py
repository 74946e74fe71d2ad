"""What strangers send reaches no log, neither as a secret nor as a line of its own."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.sessions.serving import echo, voice_server
from tests.transports.client import eventually
from tests.transports.raw_peer import RawPeer, upgrade
from tests.transports.test_asgi import serving
from voicewire import (
    ConnectRequest,
    HandshakeRequest,
    Identity,
    Rejection,
    StaticTokens,
    WebsocketServerParams,
)
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.serializers.dialects import all_dialects
from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.sessions.asgi import VoiceApp

pytestmark = pytest.mark.anyio

SECRET = "hunter2-is-my-secret-word"  # noqa: S105 - what is looked for

FORGED = "12:00:00 INFO forged"

EVIL = f"\r\n{FORGED}\n\x1b[2J\x07\x00\x85\u2028{FORGED}\u202e"
"""Ends a line in every way that there is, and tells a terminal what to do."""

NOT_FOR_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

CONTROL_BYTES = [b"\n", b"\r", b"\x00", b"\x1b[2J", b"\x85", b"\x9b2J", b"\t", b"\x7f", b"\xff"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> "Logs":
    caplog.set_level(logging.DEBUG)
    for name in ("voicewire", "uvicorn", "uvicorn.error", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    return Logs(caplog)


class Logs:
    """All that has been logged since the test began, at any level.

    The lines of the tests' own clients are not ours: `websockets` and `httpx` log what they send.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def records(self) -> list[logging.LogRecord]:
        mine = ("websockets", "httpx", "httpcore")
        return [each for each in self._caplog.records if not each.name.startswith(mine)]

    @property
    def text(self) -> str:
        format_exception = logging.Formatter().formatException
        return "\n".join(
            each.getMessage() + (format_exception(each.exc_info) if each.exc_info else "")
            for each in self.records
        )

    def check(self) -> None:
        """Fail where a secret is in a line, or what would end it."""
        assert SECRET not in self.text
        for record in self.records:
            assert NOT_FOR_A_LINE.search(record.getMessage()) is None, record
            assert FORGED not in record.getMessage() or record.getMessage().isprintable()


@asynccontextmanager
async def peer(url: str) -> AsyncIterator[RawPeer]:
    port = int(url.removeprefix("ws://").split(":")[1].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()


def with_lines(*lines: bytes, path: bytes = b"/ws") -> bytes:
    """Return a handshake with header lines as they are."""
    head = upgrade("/ws").replace(b" /ws ", b" " + path + b" ", 1)
    return head[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


async def answer_to(url: str, request: bytes) -> bytes:
    """Return what is answered at once, be it a WebSocket or a refusal."""
    async with peer(url) as raw:
        raw.write(request)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(2.0):
                return await raw.reader.read(65536)
        return b""


def handshakes() -> list[bytes]:
    """Return handshakes with a secret and control characters in every place."""
    secret = SECRET.encode()
    evil = EVIL.encode()
    found = [
        with_lines(path=b"/" + secret),
        with_lines(path=b"/ws?token=" + secret + b"&" + secret + b"=1"),
        with_lines(path=b"http://user:" + secret + b"@localhost/ws"),
        with_lines(path=b"/%0D%0A" + FORGED.encode().replace(b" ", b"%20") + b"%1b%5b2J"),
        with_lines(path=b"/?token=%0a" + secret + b"%1b"),
        with_lines(b"Authorization: Bearer " + secret),
        with_lines(b"Authorization: " + secret, b"Authorization: " + secret),
        with_lines(b"Cookie: session=" + secret),
        with_lines(b"Host: " + evil.splitlines()[-1]),
        with_lines(b"Sec-WebSocket-Protocol: " + secret),
        with_lines(b"Sec-WebSocket-Protocol: bearer, token=" + secret + b"=="),
        with_lines(b"Sec-WebSocket-Extensions: " + secret + b"; ="),
        with_lines(b"Sec-WebSocket-Version: " + secret),
        with_lines(b"Sec-WebSocket-Key: " + secret),
        with_lines(b"Upgrade: " + secret),
        with_lines(b"Connection: " + secret + b"; ="),
        with_lines(b"Content-Length: " + secret),
        with_lines(secret + b": 1"),
        with_lines(secret),
        upgrade(f"/{SECRET}", method=SECRET),
        upgrade(without="Sec-WebSocket-Key").replace(
            b"\r\n\r\n", b"\r\nSec-WebSocket-Key: " + secret + b"\r\n\r\n"
        ),
        upgrade(without="Sec-WebSocket-Version").replace(
            b"\r\n\r\n", b"\r\nSec-WebSocket-Version: " + secret + b"\r\n\r\n"
        ),
        b"GET /" + secret + b" HTTP/9.9\r\n\r\n",
        b"GET /" + secret + b"?" + secret + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /connect?"
        + secret
        + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n"
        + secret,
        secret + b"\r\n\r\n",
    ]
    for byte in CONTROL_BYTES:
        found += [
            with_lines(path=b"/" + secret + byte + FORGED.encode()),
            with_lines(b"X-Key: " + secret + byte + FORGED.encode()),
            with_lines(b"Origin: http://a" + byte + FORGED.encode()),
            with_lines(b"Sec-WebSocket-Protocol: " + byte + secret),
            with_lines(b"Authorization: Bearer " + secret + byte),
        ]
    return found


@pytest.mark.parametrize("is_guarded", [False, True])
async def test_handshakes_leave_no_secret_and_no_line_of_their_own(
    is_guarded: bool, logs: Logs
) -> None:
    hook = StaticTokens({"ada": "another-token-0123"}) if is_guarded else None
    async with voice_server(authenticate=hook) as server:
        answers = await asyncio.gather(*(answer_to(server.url, each) for each in handshakes()))
        logs.check()
    assert len([each for each in answers if each.startswith(b"HTTP/1.1 ")]) > 60
    assert "refused (" in logs.text
    for said in answers:
        head = said.partition(b"\r\n\r\n")[0]
        assert FORGED.encode() not in head  # Nothing of it is a header of the answer.
        assert b"Traceback" not in said


async def test_a_reason_that_repeats_what_was_sent_stays_within_its_line(logs: Logs) -> None:
    async def repeat(request: HandshakeRequest) -> Rejection:
        return Rejection(403, f"no way in for {request.query['name']}")

    async with voice_server(authenticate=repeat) as server, httpx.AsyncClient() as client:
        url = httpx.URL(server.url.replace("ws", "http", 1), params={"name": EVIL})
        target = url.raw_path.decode()
        said = await answer_to(server.url, upgrade(target))
        assert said.startswith(b"HTTP/1.1 403 ")
        assert json.loads(said.partition(b"\r\n\r\n")[2])["detail"].endswith(EVIL)
        asked = await client.post(url.copy_with(path="/connect"))
        assert asked.json()["info"].endswith(EVIL)
    assert "no way in for \\r\\n" in logs.text
    logs.check()


async def test_what_asks_connect_leaves_no_secret(logs: Logs) -> None:
    async def fail(request: ConnectRequest) -> str:
        raise RuntimeError(f"{request.body} {dict(request.headers)}")

    async with voice_server(connect_hook=fail) as server, httpx.AsyncClient() as client:
        url = server.url.replace("ws", "http", 1) + f"/connect?token={SECRET}"
        headers = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET}
        for body in ({"password": SECRET, EVIL: EVIL}, [SECRET], SECRET, EVIL):
            answer = await client.post(url, json=body, headers=headers)
            assert answer.status_code in (400, 500)
            assert SECRET not in answer.text
        for path in (f"/{SECRET}", f"/assets/{SECRET}", f"/twilio/start?{SECRET}=1"):
            await client.get(server.url.replace("ws", "http", 1) + path, headers=headers)
    assert "the connect hook failed: RuntimeError at " in logs.text
    logs.check()


def texts() -> list[str]:
    """Return JSON with a secret and control characters in every place, and what is none."""
    types = (
        "event",
        "type",
        "label",
        "version",
        "action",
        "encoding",
        "codec",
        "id",
        "streamSid",
    )
    said: list[Any] = [
        *({key: value} for key in types for value in (SECRET, EVIL, [SECRET], {SECRET: EVIL})),
        {SECRET: 1},
        {EVIL: EVIL},
        {"event": "start", "start": {"callSid": SECRET, "customParameters": {EVIL: SECRET}}},
        {"event": "start", "start": {"mediaFormat": {"encoding": EVIL + SECRET}}},
        {"event": "media", "media": {"payload": SECRET, "track": EVIL}},
        {"event": "dtmf", "dtmf": {"digit": SECRET}},
        {"type": SECRET, "id": EVIL},
        {"type": "session.update", "session": {SECRET: EVIL, "voice": SECRET}},
        {"type": "conversation.item.create", "item": {"type": SECRET, "role": EVIL}},
        {"type": "input_audio_buffer.append", "audio": SECRET},
        {"label": "rtvi-ai", "type": SECRET, "id": EVIL, "data": {SECRET: EVIL}},
        {"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": {"version": SECRET}},
        {"label": "rtvi-ai", "type": "send-text", "id": EVIL, "data": {"content": [SECRET]}},
        {"label": "rtvi-ai", "type": "client-message", "id": "2", "data": SECRET},
        {"label": "rtvi-ai", "type": "dtmf", "id": "3", "data": {"button": SECRET + EVIL}},
        {"version": "2", "type": "open", "id": SECRET, "parameters": {"media": [{"type": EVIL}]}},
    ]
    return [json.dumps(each) for each in said] + [SECRET, EVIL, f'{{"a": {SECRET}', f"MEDIA_{EVIL}"]


@pytest.mark.parametrize("path", ["/ws", *all_dialects()])
async def test_messages_of_every_wire_leave_no_secret_and_no_line_of_their_own(
    path: str, logs: Logs
) -> None:
    async with voice_server() as server:
        for text in texts():
            message = proto.MessageFrame(data=text)
            both = (text, proto.Frame(message=message).SerializeToString(), SECRET.encode())
            offered = [Subprotocol("media")] if path == "/asterisk" else None
            async with connect(f"{server.url}{path}", subprotocols=offered, proxy=None) as socket:
                with suppress(ConnectionClosed):
                    for each in both if path == "/ws" else (text, SECRET.encode()):
                        await socket.send(each)
        await eventually(lambda: not server.sessions)
    logs.check()
    if path != "/asterisk":  # All that is text may be a word of a later version's.
        assert "refused" in logs.text


async def test_an_asgi_application_leaves_no_secret_in_our_lines(logs: Logs) -> None:
    async def refuse(request: HandshakeRequest) -> Identity:
        raise LookupError(request.bearer_token)

    params = WebsocketServerParams(authenticate=refuse, serializer=ProtobufFrameSerializer())
    async with serving(Mount("/voice", VoiceApp(echo, params=params))) as url:
        for request in handshakes()[:8]:
            await answer_to(url, request.replace(b" /", b" /voice/", 1))
    ours = [each for each in logs.records if each.name.startswith("voicewire")]
    assert len(ours) >= 3
    for record in ours:
        assert SECRET not in record.getMessage()
        assert NOT_FOR_A_LINE.search(record.getMessage()) is None
