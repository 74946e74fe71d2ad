"""JSON Web Tokens, good ones and all kinds of bad ones, with keys given and keys fetched."""

import asyncio
import base64
import hmac
import json
import logging
import pickle
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.auth import issuer as an
from tests.auth.asking import handshake, refused, subject_of
from tests.services.fakes.http_server import Trouble
from voicewire import ConfigurationError, Identity, JSONWebTokens, Rejection
from voicewire.auth import remote_keys
from voicewire.auth.key_set import KeySet
from voicewire.auth.remote_keys import RemoteKeys

pytestmark = pytest.mark.anyio

SECRET = "a-secret-of-both-sides-that-is-long"  # noqa: S105 - of a test


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def tokens(**options: Any) -> JSONWebTokens:
    """Return the hook: RS256 with a given key, where the options do not say otherwise."""
    common = {"algorithms": ["RS256"], "issuer": an.ISSUER, "audience": an.AUDIENCE}
    if "jwks_url" not in options:
        common["key"] = an.public_pem(an.RSA_KEY)
    return JSONWebTokens(**{**common, **options})


async def ask(hook: JSONWebTokens, token: str) -> Identity | Rejection:
    return await hook(handshake(token))


def by_hand(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Return a token as an attacker writes it."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def test_a_good_token_lets_its_subject_in_with_its_claims() -> None:
    answer = await tokens()(handshake(in_query=an.token(room=7)))
    assert isinstance(answer, Identity)
    assert (answer.subject, answer.claims["room"]) == ("ada", 7)
    assert "room" not in repr(answer)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS512", an.RSA_KEY),
        ("PS256", an.RSA_KEY),
        ("ES256", an.EC_KEY),
        ("EdDSA", an.ED_KEY),
    ],
)
async def test_other_signatures_are_checked_with_keys_given_or_fetched(
    algorithm: str, key: Any
) -> None:
    token = an.token(key, algorithm, kid="1")
    given = tokens(algorithms=[algorithm], key=an.public_pem(key))
    assert subject_of(await ask(given, token)) == "ada"
    async with an.Issuer(an.jwk(key, algorithm, "1")) as issuer:
        fetched = tokens(algorithms=[algorithm], jwks_url=issuer.url)
        assert subject_of(await ask(fetched, token)) == "ada"


async def test_a_secret_of_both_sides_will_do() -> None:
    hook = tokens(algorithms=["HS256"], key=SECRET)
    assert subject_of(await ask(hook, an.token(SECRET, "HS256"))) == "ada"
    assert refused(await ask(hook, an.token(SECRET + "x", "HS256")), 401, "not valid")


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"exp": None}, "not valid"),
        ({"exp": "soon"}, "not valid"),
        ({"sub": None}, "not valid"),
        ({"sub": ""}, "for nobody"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"iat": int(time.time()) + 3600}, "not valid yet"),
        ({"iss": "https://evil.example/"}, "not for this server"),
        ({"iss": None}, "not valid"),
        ({"aud": "other"}, "not for this server"),
        ({"aud": ["other", "another"]}, "not for this server"),
        ({"aud": None}, "not valid"),
        ({"aud": 7}, "not for this server"),
    ],
)
async def test_a_claim_that_is_not_right_is_refused(claims: dict[str, Any], word: str) -> None:
    assert refused(await ask(tokens(), an.token(**claims)), 401, word)


async def test_a_subject_that_is_no_string_is_refused() -> None:
    claims = {**an.claims(), "sub": 7}
    hook = tokens(algorithms=["HS256"], key=SECRET)
    signed = by_hand({"alg": "HS256"}, claims).rstrip(".")
    mac = hmac.digest(SECRET.encode(), signed.encode(), "sha256")
    assert refused(await ask(hook, by_hand({"alg": "HS256"}, claims, mac)), 401, "not valid")


async def test_claims_may_be_any_where_the_application_says_so() -> None:
    hook = tokens(issuer=None, audience=None)
    assert subject_of(await ask(hook, an.token(iss="other", aud=["x", "y"]))) == "ada"
    hook = tokens(audience=["voice", "phone"])
    assert subject_of(await ask(hook, an.token(aud=["x", "phone"]))) == "ada"


async def test_a_clock_that_is_a_little_off_does_no_harm() -> None:
    late = an.token(exp=int(time.time()) - 5)
    assert subject_of(await ask(tokens(leeway_secs=30), late)) == "ada"
    assert refused(await ask(tokens(leeway_secs=0), late), 401, "expired")


@pytest.mark.parametrize("scopes", [{"scope": "talk listen"}, {"scp": ["listen", "talk"]}])
async def test_who_has_the_scopes_is_let_in(scopes: dict[str, Any]) -> None:
    hook = tokens(required_scopes=["talk"])
    assert subject_of(await ask(hook, an.token(**scopes))) == "ada"


@pytest.mark.parametrize("scopes", [{}, {"scope": "listen"}, {"scp": 7}, {"scope": "talker"}])
async def test_who_lacks_a_scope_is_known_and_not_allowed(scopes: dict[str, Any]) -> None:
    answer = await ask(tokens(required_scopes=["talk"]), an.token(**scopes))
    assert refused(answer, 403)
    assert isinstance(answer, Rejection)
    assert 'error="insufficient_scope", scope="talk"' in answer.headers["WWW-Authenticate"]


# A token must not choose how it is checked.


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, ["none"], {"a": 1}])
async def test_a_token_without_a_signature_is_refused(name: Any) -> None:
    assert refused(await ask(tokens(), by_hand({"alg": name}, an.claims())), 401)
    assert refused(await ask(tokens(), by_hand({}, an.claims())), 401)


async def test_the_public_key_as_a_secret_signs_nothing() -> None:
    pem = an.public_pem(an.RSA_KEY)
    signed = by_hand({"alg": "HS256", "typ": "JWT"}, an.claims()).rstrip(".")
    mac = hmac.digest(pem.encode(), signed.encode(), "sha256")
    forged = by_hand({"alg": "HS256", "typ": "JWT"}, an.claims(), mac)
    assert refused(await ask(tokens(), forged), 401, "not accepted")
    with pytest.raises(ConfigurationError, match="of no use for HS256"):
        tokens(algorithms=["HS256"], key=pem)


async def test_an_algorithm_that_is_not_listed_is_refused_even_if_the_key_would_fit() -> None:
    assert refused(await ask(tokens(), an.token(algorithm="RS384")), 401, "not accepted")


async def test_where_a_token_says_its_key_is_to_be_found_is_not_heeded() -> None:
    async with an.Issuer(an.jwk(an.OTHER_RSA_KEY, "RS256", "1")) as evil:
        for header in (
            {"jku": evil.url},
            {"x5u": evil.url},
            {"jwk": an.jwk(an.OTHER_RSA_KEY, "RS256", "1")},
        ):
            forged = an.token(an.OTHER_RSA_KEY, kid="1", header=header)
            assert refused(await ask(tokens(), forged), 401, "not valid")
        assert evil.requests == []


async def test_a_header_that_must_be_understood_is_not() -> None:
    hook = tokens(algorithms=["HS256"], key=SECRET)
    for more, word in (({}, None), ({"crit": ["b64"], "b64": True}, "not accepted")):
        header = {"alg": "HS256", **more}
        signed = by_hand(header, an.claims()).rstrip(".")
        mac = hmac.digest(SECRET.encode(), signed.encode(), "sha256")
        answer = await ask(hook, by_hand(header, an.claims(), mac))
        assert subject_of(answer) == "ada" if word is None else refused(answer, 401, word)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "x" * 10_000,
        "\udcff",
        "ä.ö.ü",
        by_hand([], {}),
        by_hand({"alg": "RS256", "kid": 7}, {}),
        by_hand({"alg": "RS256"}, []),
        by_hand({"alg": "RS256"}, {}, b"x" * 256),
        base64.urlsafe_b64encode(b"[" * 50_000).decode() + ".e30.e30",
    ],
)
async def test_what_is_no_token_is_refused_without_a_traceback(token: str) -> None:
    assert refused(await tokens()(handshake(in_query=token)), 401)


async def test_one_changed_character_makes_it_another_token() -> None:
    good = an.token()
    for position in (3, good.index(".") + 3, good.rindex(".") + 3):
        other = "A" if good[position] != "A" else "B"
        bad = good[:position] + other + good[position + 1 :]
        assert refused(await ask(tokens(), bad), 401)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"algorithms": []}, "expected a list"),
        ({"algorithms": "RS256"}, "expected a list"),
        ({"algorithms": ["none"]}, "algorithms holds 'none'"),
        ({"algorithms": ["RS256", "none"]}, "algorithms holds 'none'"),
        ({"algorithms": ["RS257"]}, "algorithms holds 'RS257'"),
        ({"algorithms": ["RS256", "HS256"]}, "some have a secret, others a public key"),
        ({"key": None}, "expected one of key and jwks_url"),
        ({"key": "x", "jwks_url": "https://a.example/"}, "expected one of"),
        ({"key": "no key"}, "of no use for RS256; expected a public key in PEM"),
        ({"key": an.public_pem(an.EC_KEY)}, "of no use for RS256"),
        ({"key": an.public_pem(an.EC_KEY), "algorithms": ["ES384"]}, "of no use for ES384"),
        ({"key": an.public_pem(an.RSA_KEY), "algorithms": ["EdDSA"]}, "of no use for EdDSA"),
        ({"key": an.private_pem(an.RSA_KEY)}, "is a private one"),
        ({"algorithms": ["HS256"], "key": "short"}, "has 5 bytes; HS256 needs 32"),
        ({"jwks_url": "http://login.example.com/keys"}, "no https:// address"),
        ({"jwks_url": "ftp://login.example.com/keys"}, "no https:// address"),
        ({"jwks_url": "https://"}, "no https:// address"),
        ({"jwks_url": "https://a.example/", "algorithms": ["HS256"]}, "public ones"),
        ({"required_scopes": "talk"}, "expected a list"),
        ({"leeway_secs": 301.0}, "leeway_secs is 301"),
    ],
)
def test_what_could_not_be_safe_is_an_error_at_once(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        tokens(**options)
    assert "PRIVATE KEY" not in str(raised.value)


def test_a_key_that_is_too_short_is_an_error() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    with pytest.raises(ConfigurationError, match="RSA needs 2048 bits"):
        tokens(key=an.public_pem(short))
    shown = {"keys": [an.jwk(short, "RS256", "1")]}
    keys = KeySet.parse(json.dumps(shown).encode(), ["RS256"])
    assert keys.find("1", "RS256") is None


def test_its_words_hold_no_key() -> None:
    hook = tokens(algorithms=["HS256"], key=SECRET)
    assert repr(hook) == f"JSONWebTokens(algorithms=['HS256'], issuer={an.ISSUER!r})"


# Keys that are fetched.


class Clock:
    """Monotonic seconds, set by hand."""

    def __init__(self) -> None:
        self.secs = 1000.0

    def __call__(self) -> float:
        return self.secs


def with_clock(issuer: an.Issuer, clock: Clock, **options: Any) -> JSONWebTokens:
    hook = tokens(jwks_url=issuer.url, **options)
    remote = RemoteKeys(issuer.url, ["RS256"], lifetime_secs=600, refetch_secs=30, now=clock)
    hook._remote = remote
    return hook


async def test_keys_are_fetched_once_for_all_who_wait() -> None:
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "1")) as issuer:
        hook = tokens(jwks_url=issuer.url)
        token = an.token(kid="1")
        answers = await asyncio.gather(*(ask(hook, token) for _ in range(20)))
        assert {subject_of(answer) for answer in answers} == {"ada"}
        assert len(issuer.requests) == 1


async def test_a_new_key_is_fetched_when_the_first_token_names_it() -> None:
    clock = Clock()
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "old")) as issuer:
        hook = with_clock(issuer, clock)
        assert subject_of(await ask(hook, an.token(kid="old"))) == "ada"
        issuer.keys = [an.jwk(an.OTHER_RSA_KEY, "RS256", "new")]
        clock.secs += 31
        new = an.token(an.OTHER_RSA_KEY, kid="new")
        assert subject_of(await ask(hook, new)) == "ada"
        assert refused(await ask(hook, an.token(kid="old")), 401, "key that is not known")
        assert len(issuer.requests) == 2


async def test_unknown_names_of_keys_cannot_flood_the_issuer() -> None:
    clock = Clock()
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "1")) as issuer:
        hook = with_clock(issuer, clock)
        for second in range(90):
            clock.secs += 1
            unknown = an.token(kid=f"unknown-{second}")
            assert refused(await ask(hook, unknown), 401, "key that is not known")
        assert len(issuer.requests) == 3
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"


async def test_callers_who_leave_at_once_cannot_flood_it_either() -> None:
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "1")) as issuer:
        issuer.troubles.append(Trouble(kind="hang"))
        hook = tokens(jwks_url=issuer.url)
        for number in range(5):
            caller = asyncio.create_task(ask(hook, an.token(kid=f"unknown-{number}")))
            await asyncio.sleep(0.05)
            caller.cancel()
            await asyncio.wait((caller,))
        assert len(issuer.requests) == 1
        fetching = hook._remote._fetching if hook._remote is not None else None
        assert fetching is not None
        fetching.cancel()
        await asyncio.wait((fetching,))


async def test_keys_that_are_old_are_fetched_again_and_withdrawn_ones_are_gone() -> None:
    clock = Clock()
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "1")) as issuer:
        hook = with_clock(issuer, clock)
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
        clock.secs += 599
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
        assert len(issuer.requests) == 1
        issuer.keys = []
        clock.secs += 1
        assert refused(await ask(hook, an.token(kid="1")), 401, "key that is not known")
        assert len(issuer.requests) == 2


async def test_while_the_issuer_is_down_its_last_keys_do_for_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "1")) as issuer:
        hook = with_clock(issuer, clock)
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
        issuer.troubles.extend([Trouble(status=500)] * 2)
        clock.secs += 600
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
        assert len(issuer.requests) == 2  # Not asked again at once.
        clock.secs += 3600
        assert refused(await ask(hook, an.token(kid="1")), 503, "cannot be checked now")
        clock.secs += 5
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
    assert "could not be fetched: ValueError 'HTTP 500'" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'{"keys": {}}',
        b"[" * 100_000,
        b'{"keys": []}' + b" " * remote_keys.MAX_BYTES,
    ],
    ids=["empty", "text", "list", "object", "deep", "long"],
)
async def test_an_issuer_that_shows_no_keys_lets_nobody_in(body: bytes) -> None:
    async with an.Issuer() as issuer:
        issuer.body = body
        answer = await ask(tokens(jwks_url=issuer.url), an.token(kid="1"))
        assert refused(answer, 503, "cannot be checked now")


async def test_an_issuer_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_keys, "FETCH_SECS", 0.05)
    async with an.Issuer() as issuer:
        issuer.troubles.append(Trouble(kind="hang"))
        answer = await ask(tokens(jwks_url=issuer.url), an.token(kid="1"))
        assert refused(answer, 503, "cannot be checked now")


async def test_an_issuer_that_is_not_there_is_a_503_and_its_address_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with an.Issuer() as issuer:
        url = issuer.url
    answer = await ask(tokens(jwks_url=url), an.token(kid="1"))
    assert refused(answer, 503)
    assert "could not be fetched: ConnectError" in caplog.text


def test_only_public_keys_for_these_signatures_are_taken() -> None:
    good = an.jwk(an.RSA_KEY, "RS256", "good")
    secret = base64.urlsafe_b64encode(SECRET.encode()).decode()
    entries = [
        good,
        an.jwk(an.RSA_KEY, "RS256", "encryption", use="enc"),
        an.jwk(an.RSA_KEY, "RS256", "signing", key_ops=["sign"]),
        an.jwk(an.RSA_KEY, "RS256", "odd", key_ops=7),
        an.jwk(an.RSA_KEY, "RS256", "other", alg="PS256"),
        {"kty": "oct", "k": secret, "kid": "secret", "alg": "RS256"},
        {**good, "kid": "private", "d": "AQAB"},
        {**good, "kid": "broken", "n": "!"},
        {**good, "kid": ["list"]},
        {"kty": "RSA", "kid": "empty"},
        an.jwk(an.EC_KEY, "ES256", "curve"),
        "no object",
        None,
    ]
    keys = KeySet.parse(json.dumps({"keys": entries}).encode(), ["RS256", "ES384"])
    assert keys.find("good", "RS256") is not None
    assert keys.find(None, "RS256") is keys.find("good", "RS256")  # It is the only one.
    assert keys.find("curve", "ES384") is None
    for kid in ("encryption", "signing", "odd", "other", "secret", "private", "broken", "empty"):
        assert keys.find(kid, "RS256") is None


def test_a_token_that_names_no_key_does_not_choose_among_several() -> None:
    shown = [an.jwk(an.RSA_KEY, "RS256", "1"), an.jwk(an.OTHER_RSA_KEY, "RS256", "2")]
    keys = KeySet.parse(json.dumps({"keys": shown}).encode(), ["RS256"])
    assert keys.find(None, "RS256") is None


async def test_it_works_in_another_process_too() -> None:
    async with an.Issuer(an.jwk(an.RSA_KEY, "RS256", "1")) as issuer:
        hook = tokens(jwks_url=issuer.url)
        assert subject_of(await ask(hook, an.token(kid="1"))) == "ada"
        there = pickle.loads(pickle.dumps(hook))  # noqa: S301 - our own
        assert subject_of(await ask(there, an.token(kid="1"))) == "ada"
        assert len(issuer.requests) == 2
