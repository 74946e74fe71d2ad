"""Who may come in: the application's hook, at real sockets, before the WebSocket is opened."""

import asyncio
import base64
import hmac
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from tests.sessions.serving import echo, voice_server
from tests.transports.client import Caller, eventually, serving
from tests.transports.fakes import tone
from tests.transports.test_asgi import serving as asgi_serving
from voicewire import (
    AnyOf,
    ConfigurationError,
    FrameSerializer,
    GenesysAudioHookSerializer,
    HandshakeRequest,
    Identity,
    Limits,
    OneTimeTokens,
    Rejection,
    SessionTransport,
    StaticTokens,
    TelnyxFrameSerializer,
    TwilioFrameSerializer,
    VonageFrameSerializer,
    WebsocketServerParams,
)
from voicewire.serializers import ProviderRequest
from voicewire.serializers.dialects import all_dialects
from voicewire.sessions.asgi import VoiceApp
from voicewire.transports.asgi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
    identify_websocket,
)
from voicewire.transports.handshake import Headers

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


TOKEN = "adas-secret-token-1"  # noqa: S105 - of a test
TOKENS = StaticTokens({"ada": TOKEN})
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def refusal(url: str, **headers: str) -> Response:
    """Return the answer to a caller who is refused."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers, proxy=None)
    return refused.value.response


async def ask_connect(url: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url.replace("ws", "http", 1) + "/connect", **options)


class Remembering:
    """A bot that echoes and remembers whom it has met."""

    def __init__(self) -> None:
        self.met: list[Identity | None] = []

    async def __call__(self, transport: SessionTransport) -> None:
        self.met.append(transport.client.identity)
        await echo(transport)


async def test_the_bot_knows_who_was_let_in() -> None:
    async def authenticate(request: HandshakeRequest) -> Identity:
        return Identity(request.query["name"], {"path": request.path, "room": 7})

    bot = Remembering()
    async with (
        voice_server(bot, authenticate=authenticate) as server,
        Caller(f"{server.url}/ws?name=ada"),
    ):
        await eventually(lambda: bot.met)
        (session,) = server.sessions
        assert session.client.identity == bot.met[0]
    assert bot.met == [Identity("ada", {"path": "/ws", "room": 7})]
    assert "room" not in repr(bot.met)


async def test_without_a_hook_nobody_is_asked_and_nobody_is_known() -> None:
    bot = Remembering()
    async with voice_server(bot) as server, Caller(server.url):
        await eventually(lambda: bot.met == [None])


async def test_who_is_not_known_is_told_how_to_be() -> None:
    bot = Remembering()
    async with voice_server(bot, authenticate=TOKENS) as server:
        nothing = await refusal(server.url)
        wrong = await refusal(server.url, Authorization="Bearer wrong")
        assert (nothing.status_code, nothing.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert wrong.status_code == 401
        assert wrong.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
        assert bot.met == []
        async with Caller(server.url, additional_headers=BEARER) as caller:
            await caller.speak(tone(0.1))
            await caller.heard(3200)
        async with Caller(f"{server.url}/ws?token={TOKEN}"):
            await eventually(lambda: len(bot.met) == 2)


async def test_a_rejection_of_the_hooks_own_is_told_as_it_is() -> None:
    async def closed(request: HandshakeRequest) -> Rejection:
        status = int(request.query["status"])
        return Rejection(status, "closed on Sundays", {"Retry-After": "86400"})

    async with voice_server(authenticate=closed) as server:
        known = await refusal(f"{server.url}/?status=403")
        assert (known.status_code, known.headers["Retry-After"]) == (403, "86400")
        assert b'"closed on Sundays"' in known.body
        assert "WWW-Authenticate" not in known.headers
        assert (await refusal(f"{server.url}/?status=401")).headers["WWW-Authenticate"] == "Bearer"


class Hanging:
    """A hook that never answers those who ask for it, however it is told to."""

    def __init__(self, *, is_stubborn: bool = False) -> None:
        self.num_cancelled = 0
        self.may_end = asyncio.Event()
        self._is_stubborn = is_stubborn

    async def __call__(self, request: HandshakeRequest) -> Identity:
        while request.query.get("hang") and not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.num_cancelled += 1
                if not self._is_stubborn:
                    raise
        return Identity("somebody")


@pytest.mark.parametrize("is_stubborn", [False, True])
async def test_a_hook_that_hangs_is_a_503_in_time_and_others_come_in_meanwhile(
    is_stubborn: bool,
) -> None:
    hook = Hanging(is_stubborn=is_stubborn)
    async with voice_server(authenticate=hook, authenticate_timeout_secs=0.5) as server:
        began_at = time.monotonic()
        hung = asyncio.create_task(refusal(f"{server.url}/?hang=1"))
        asked = asyncio.create_task(ask_connect(server.url, params={"hang": "1"}))
        async with Caller(server.url) as caller:
            await caller.speak(tone(0.1))
            await caller.heard(3200)
            assert not hung.done()
        refused, answer = await hung, await asked
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert time.monotonic() - began_at < 5.0
        assert hook.num_cancelled == 2
        hook.may_end.set()


async def test_a_caller_who_hangs_up_cancels_their_hook() -> None:
    hook = Hanging()
    async with voice_server(authenticate=hook) as server:
        host, port = server.url.removeprefix("ws://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /?hang=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await asyncio.sleep(0.05)
        assert hook.num_cancelled == 0
        writer.transport.abort()
        await eventually(lambda: hook.num_cancelled == 1)


@pytest.mark.parametrize(
    "outcome",
    [
        LookupError(f"no such token: {TOKEN}"),
        ValueError("line\nbreak"),
        None,
        True,
        TOKEN,
        asyncio.CancelledError(),
        TimeoutError(TOKEN),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
async def test_a_hook_that_fails_lets_nobody_in_and_tells_no_secret(
    outcome: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: HandshakeRequest) -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    caplog.set_level(logging.DEBUG)
    bot = Remembering()
    async with voice_server(bot, authenticate=fail) as server:
        refused = await refusal(f"{server.url}/?token={TOKEN}")
        answer = await ask_connect(server.url, headers=BEARER)
    assert (refused.status_code, answer.status_code) == (500, 500)
    assert bot.met == []
    assert caplog.text.count("authentication ") >= 2
    if isinstance(outcome, Exception):
        assert f"{type(outcome).__name__} at " in caplog.text
        assert "in fail" in caplog.text
    ours = [record for record in caplog.records if record.name.startswith("voicewire")]
    for text in (str(refused.body), answer.text, *(record.getMessage() for record in ours)):
        assert TOKEN not in text
        assert "\n" not in text
    assert all(record.exc_info is None for record in ours)


async def test_who_finds_no_place_is_not_asked_who_they_are() -> None:
    asked = 0

    async def authenticate(request: HandshakeRequest) -> Identity:
        nonlocal asked
        asked += 1
        return Identity("somebody")

    async with (
        voice_server(authenticate=authenticate, limits=Limits(max_sessions=1)) as server,
        Caller(server.url),
    ):
        assert (await refusal(server.url)).status_code == 503
        assert asked == 1


async def test_the_last_place_is_given_once_however_many_are_being_asked_about() -> None:
    go = asyncio.Event()

    async def authenticate(request: HandshakeRequest) -> Identity:
        await go.wait()
        return Identity("somebody")

    async with voice_server(authenticate=authenticate, limits=Limits(max_sessions=1)) as server:
        callers = [asyncio.create_task(connect(server.url, proxy=None).__aenter__()) for _ in "123"]
        await asyncio.sleep(0.1)
        go.set()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, InvalidStatus)]
        assert [each.response.status_code for each in refused] == [503, 503]
        for each in outcomes:
            if not isinstance(each, BaseException):
                await each.close()


async def test_a_transport_of_one_caller_obeys_the_hook_too() -> None:
    async with serving(authenticate=TOKENS) as served:
        assert (await refusal(served.url)).status_code == 401
        async with Caller(served.url, additional_headers=BEARER):
            await eventually(lambda: served.clients)
            assert served.client.identity == Identity("ada")


# `POST /connect`.


async def test_connect_is_guarded_and_its_hook_knows_who_asks() -> None:
    one_time = OneTimeTokens("an-example-secret-of-32-bytes-or-more")
    bot = Remembering()
    both = AnyOf(TOKENS, one_time)
    async with voice_server(bot, authenticate=both, connect_hook=one_time.give) as server:
        nobody = await ask_connect(server.url, json={})
        assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert list(nobody.json()) == ["info"]
        answer = (await ask_connect(server.url, json={}, headers=BEARER)).json()
        url = f"{answer['wsUrl']}?token={answer['token']}"
        async with Caller(url):
            await eventually(lambda: bot.met == [Identity("ada")])
        again = await refusal(url)
        assert again.status_code == 401
        assert b"used before" in again.body
        used = {"Authorization": f"Bearer {answer['token']}"}
        assert (await ask_connect(server.url, headers=used)).status_code == 401


async def test_a_page_that_may_ask_can_read_why_it_was_refused() -> None:
    origin = {"Origin": "http://localhost:5173"}
    async with voice_server(authenticate=TOKENS) as server:
        answer = await ask_connect(server.url, headers=origin)
        assert answer.status_code == 401
        assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]


async def test_what_tells_nothing_stays_open() -> None:
    async with voice_server(authenticate=TOKENS) as server, httpx.AsyncClient() as client:
        for path in ("/", "/healthz", "/readyz"):
            answer = await client.get(server.url.replace("ws", "http", 1) + path)
            assert answer.status_code == 200


# Telephone providers.


def twilio(**credentials: Any) -> dict[str, Any]:
    return {
        "dialects": {"/twilio": TwilioFrameSerializer(**credentials)},
        "public_url": "wss://voice.example.com",
        "authenticate": TOKENS,
    }


async def test_what_its_provider_has_signed_needs_no_token() -> None:
    key = "0123456789abcdef"
    signed = hmac.digest(key.encode(), b"wss://voice.example.com/twilio", "sha1")
    signature = {"X-Twilio-Signature": base64.b64encode(signed).decode()}
    async with voice_server(**twilio(account_sid="AC1", auth_token=key)) as server:
        async with connect(f"{server.url}/twilio", additional_headers=signature, proxy=None):
            pass
        assert (await refusal(f"{server.url}/twilio", **BEARER)).status_code == 401
        assert (await refusal(f"{server.url}/ws", **signature)).status_code == 401


async def test_a_provider_that_signs_nothing_is_no_way_around_the_hook() -> None:
    async with voice_server(**twilio()) as server:
        assert (await refusal(f"{server.url}/twilio")).status_code == 401
        async with connect(f"{server.url}/twilio?token={TOKEN}", proxy=None):
            pass


@pytest.mark.parametrize(
    ("serializer", "is_signed"),
    [
        (TwilioFrameSerializer(account_sid="AC1", auth_token="t"), True),  # noqa: S106
        (TwilioFrameSerializer(), False),
        (VonageFrameSerializer(signature_secret="s"), True),  # noqa: S106
        (VonageFrameSerializer(), False),
        (GenesysAudioHookSerializer(api_key="k", client_secret="c2VjcmV0"), True),  # noqa: S106
        (GenesysAudioHookSerializer(), False),
        (TelnyxFrameSerializer(public_key=base64.b64encode(bytes(32)).decode()), False),
        *((each, False) for each in all_dialects().values()),
    ],
    ids=lambda value: value if isinstance(value, bool) else type(value).__name__,
)
def test_a_wire_that_passes_the_hook_by_lets_nobody_in_unsigned(
    serializer: FrameSerializer, is_signed: bool
) -> None:
    assert serializer.signs_connections is is_signed
    unsigned = ProviderRequest("wss://a.example/", "/", {})
    assert serializer.is_genuine(unsigned, now=0.0) is not is_signed


# Within an ASGI application.


async def test_a_mounted_bot_obeys_the_hook() -> None:
    bot = Remembering()
    params = WebsocketServerParams(
        audio_in_enabled=True, audio_out_enabled=True, authenticate=TOKENS
    )
    async with asgi_serving(Mount("/voice", VoiceApp(bot, params=params))) as url:
        refused = await refusal(f"{url}/voice/ws")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        async with Caller(f"{url}/voice/ws", additional_headers=BEARER) as caller:
            await caller.speak(tone(0.1))
            await caller.heard(3200)
    assert bot.met == [Identity("ada")]


async def test_a_mounted_bots_hook_that_hangs_or_fails_keeps_out() -> None:
    hook = Hanging()
    params = WebsocketServerParams(authenticate=hook, authenticate_timeout_secs=0.1)
    async with asgi_serving(Mount("/voice", VoiceApp(echo, params=params))) as url:
        assert (await refusal(f"{url}/voice/ws?hang=1")).status_code == 503


@asynccontextmanager
async def endpoint(params: FastAPIWebsocketParams, met: list[Any]) -> AsyncIterator[str]:
    """Serve an endpoint as an application writes it, which asks before it accepts."""

    async def talk(websocket: WebSocket) -> None:
        identity = await identify_websocket(websocket, params)
        if identity is None:
            return
        await websocket.accept()
        transport = FastAPIWebsocketTransport(websocket, params, identity=identity)
        met.append(transport.client.identity)

    async with asgi_serving(WebSocketRoute("/ws", talk)) as url:
        yield f"{url}/ws"


async def test_an_endpoint_can_ask_the_hook_before_it_accepts() -> None:
    met: list[Any] = []
    params = FastAPIWebsocketParams(authenticate=TOKENS, allowed_origins=["https://ours.example"])
    async with endpoint(params, met) as url:
        assert (await refusal(url)).status_code == 401
        assert (await refusal(url, **BEARER, Origin="https://evil.example")).status_code == 403
        assert met == []
        async with connect(url, additional_headers=BEARER, proxy=None):
            await eventually(lambda: met == [Identity("ada")])


async def test_an_endpoint_that_has_not_asked_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="authenticate has not been asked"):
        FastAPIWebsocketTransport(object(), FastAPIWebsocketParams(authenticate=TOKENS))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no authenticate to ask"):
        await identify_websocket(object(), FastAPIWebsocketParams())  # type: ignore[arg-type]


# What a hook may say.


def test_a_hook_that_is_no_coroutine_function_is_an_error_at_once() -> None:
    def not_async(request: HandshakeRequest) -> Identity:
        return Identity("anybody")

    with pytest.raises(ValidationError, match="expected an `async def` function"):
        WebsocketServerParams(authenticate=not_async)


@pytest.mark.parametrize("secs", [0, -1, 10, float("nan")])
def test_the_deadline_is_within_that_of_the_handshake(secs: float) -> None:
    with pytest.raises(ValidationError):
        WebsocketServerParams(authenticate_timeout_secs=secs)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (101, {}),
        (600, {}),
        (401, {"X-A": "b\r\nSet-Cookie: c=d"}),
        (401, {"X-A\r\nX-B": "c"}),
        (401, {"X A": "c"}),
        (401, {"X-A": "c\x00"}),
        (401, {"X-A": "\u2028"}),
    ],
)
def test_a_rejection_cannot_forge_an_answer(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"status|header"):
        Rejection(status, "no", headers)


@pytest.mark.parametrize("subject", ["", None, 7])
def test_an_identity_has_a_subject(subject: Any) -> None:
    with pytest.raises(ValueError, match="subject"):
        Identity(subject)


def test_an_identity_shows_no_claims_and_a_request_no_secrets() -> None:
    identity = Identity("ada", {"email": "ada@example.com"})
    assert repr(identity) == "Identity(subject='ada')"
    assert {identity: 1}[identity] == 1
    request = HandshakeRequest(
        ("127.0.0.1", 1),
        "/ws",
        Headers([("Authorization", f"Bearer {TOKEN}")]),
        {"token": TOKEN},
        f"/ws?token={TOKEN}",
    )
    assert request.bearer_token == TOKEN
    assert TOKEN not in repr(request)
