"""A few fixed tokens."""

import pickle
from typing import Any

import pytest

from tests.auth.asking import handshake, refused, subject_of
from voicewire import AnyOf, ConfigurationError, HandshakeRequest, Identity, Rejection, StaticTokens
from voicewire.transports.handshake import Headers

pytestmark = pytest.mark.anyio

ADA = "adas-secret-token-1"
OLD, NEW = "kiosk-token-of-old", "kiosk-token-of-now"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tokens() -> StaticTokens:
    return StaticTokens({"ada": ADA, "kiosk": [OLD, NEW]})


async def test_who_shows_a_token_is_its_owner(tokens: StaticTokens) -> None:
    assert subject_of(await tokens(handshake(ADA))) == "ada"
    assert subject_of(await tokens(handshake(in_query=ADA))) == "ada"
    for token in (OLD, NEW):
        assert subject_of(await tokens(handshake(token))) == "kiosk"
    assert subject_of(await tokens(handshake(authorization=f"bEARER   {ADA} "))) == "ada"


async def test_nothing_and_anything_else_let_nobody_in(tokens: StaticTokens) -> None:
    assert refused(await tokens(handshake()), 401, "a token is needed")
    for wrong in (ADA[:-1], ADA + "x", ADA.upper(), "\udcff", "ä" * 20, "x" * 10_000):
        assert refused(await tokens(handshake(wrong)), 401, "not known")
    assert refused(await tokens(handshake(authorization=f"Basic {ADA}")), 401, "is needed")
    assert refused(await tokens(handshake("")), 401, "is needed")


async def test_the_header_counts_before_the_address(tokens: StaticTokens) -> None:
    assert refused(await tokens(handshake("wrong", in_query=ADA)), 401)
    assert subject_of(await tokens(handshake(ADA, in_query="wrong"))) == "ada"


async def test_the_key_of_openais_client_in_a_browser_is_a_subprotocol(
    tokens: StaticTokens,
) -> None:
    shown = f"realtime, openai-insecure-api-key.{ADA}, openai-beta.realtime-v1"
    assert subject_of(await tokens(handshake(sec_websocket_protocol=shown))) == "ada"
    assert refused(await tokens(handshake("wrong", sec_websocket_protocol=shown)), 401)
    nothing = handshake(in_query=ADA, sec_websocket_protocol="openai-insecure-api-key.")
    assert refused(await tokens(nothing), 401, "is needed")


async def test_two_headers_are_none(tokens: StaticTokens) -> None:
    both = Headers([("Authorization", f"Bearer {ADA}"), ("Authorization", "Bearer x")])
    request = HandshakeRequest(("", 0), "/", both, {"token": ADA})
    assert refused(await tokens(request), 401, "is needed")


def test_no_secret_is_in_its_words_or_its_state(tokens: StaticTokens) -> None:
    assert repr(tokens) == "StaticTokens(of ada, kiosk)"
    assert ADA not in str(tokens.__dict__)
    assert ADA.encode() not in pickle.dumps(tokens)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "nobody could come in"),
        ({"ada": []}, "nobody could come in"),
        ({"ada": "short-token!"}, "'ada' has 12 characters; expected 16 or more"),
        ({"ada": "a token! with blanks"}, "'ada' cannot stand in a header"),
        ({"ada": "a-token!-with\n-a-line"}, "'ada' cannot stand in a header"),
        ({"": ADA}, "has no subject"),
        ({"ada": ADA, "bob": ADA}, "'ada' and 'bob' have the same token"),
    ],
)
def test_tokens_that_are_none_are_an_error_that_does_not_tell_them(given: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        StaticTokens(given)
    assert "token!" not in str(raised.value)


async def test_they_can_be_written_in_one_line() -> None:
    tokens = StaticTokens.parse(f"ada:{ADA}, kiosk:{OLD},kiosk:{NEW} , unnamed-token-0123,")
    assert subject_of(await tokens(handshake(ADA))) == "ada"
    assert subject_of(await tokens(handshake(OLD))) == "kiosk"
    assert subject_of(await tokens(handshake(NEW))) == "kiosk"
    assert subject_of(await tokens(handshake("unnamed-token-0123"))) == "token-4"


@pytest.mark.parametrize("text", ["", " , ,", ":no-name-here-0123", "ada:"])
def test_a_line_without_tokens_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        StaticTokens.parse(text)


async def test_any_of_several_ways_in_will_do(tokens: StaticTokens) -> None:
    others = StaticTokens({"eve": "eves-own-token-999"})
    both = AnyOf(tokens, others)
    assert subject_of(await both(handshake(ADA))) == "ada"
    assert subject_of(await both(handshake("eves-own-token-999"))) == "eve"
    assert refused(await both(handshake("nobody")), 401)


async def test_who_is_known_and_not_allowed_is_not_asked_elsewhere(tokens: StaticTokens) -> None:
    async def nobody(request: HandshakeRequest) -> Rejection:
        return Rejection(403, "closed today")

    async def anybody(request: HandshakeRequest) -> Identity:
        return Identity("anybody")

    assert refused(await AnyOf(nobody, anybody)(handshake()), 403, "closed")
    assert subject_of(await AnyOf(tokens, anybody)(handshake())) == "anybody"


def test_any_of_takes_hooks_alone() -> None:
    with pytest.raises(ConfigurationError, match="lets in nobody"):
        AnyOf()
    with pytest.raises(ConfigurationError, match="AnyOf got dict"):
        AnyOf({"ada": ADA})  # type: ignore[arg-type]
