"""The providers' signatures: their published examples, and what must not pass for one."""

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.serializers.signatures import (
    is_genesys_signature,
    is_telnyx_signature,
    is_twilio_signature,
    is_vonage_signature,
)

# Twilio. The example of https://www.twilio.com/docs/usage/security#validating-requests, as the
# documentation of its libraries has it.

TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_PARAMS = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
TWILIO_SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
TWILIO_TOKEN = "12345"  # noqa: S105 - the published one


def by_twilio(
    signature: str = TWILIO_SIGNATURE,
    url: str = TWILIO_URL,
    auth_token: str = TWILIO_TOKEN,
    params: Any = TWILIO_PARAMS,
) -> bool:
    return is_twilio_signature(signature, url=url, auth_token=auth_token, params=params)


def test_twilios_example_is_valid() -> None:
    assert by_twilio()


@pytest.mark.parametrize(
    "change",
    [
        {"signature": ""},
        {"signature": TWILIO_SIGNATURE.lower()},
        {"signature": "\u00e4\ud800"},
        {"url": TWILIO_URL + "3"},
        {"url": TWILIO_URL.replace("https", "http")},
        {"url": "https://[bad"},
        {"auth_token": "12346"},
        {"params": None},
        {"params": TWILIO_PARAMS | {"Digits": "1235"}},
        {"params": TWILIO_PARAMS | {"More": "1"}},
    ],
)
def test_a_changed_request_is_not_twilios(change: dict[str, Any]) -> None:
    assert not by_twilio(**change)


def twilio_signature(signed: str) -> str:
    return base64.b64encode(hmac.digest(b"12345", signed.encode(), "sha1")).decode()


@pytest.mark.parametrize("signed", ["wss://x.org/ws?a=1", "wss://x.org:443/ws?a=1"])
@pytest.mark.parametrize("told", ["wss://x.org/ws?a=1", "wss://x.org:443/ws?a=1"])
def test_twilio_may_name_the_port_or_not(signed: str, told: str) -> None:
    assert by_twilio(twilio_signature(signed), told, params=None)
    assert not by_twilio(twilio_signature(signed), told.replace("x.org", "y.org"), params=None)


def test_a_parameter_of_twilio_may_have_several_values() -> None:
    signature = twilio_signature("https://x.org/" + "aone" + "atwo" + "b3")
    params = {"b": "3", "a": ["two", "one", "two"]}
    assert by_twilio(signature, "https://x.org/", params=params)


# Telnyx publishes no example. The key is the first of RFC 8032, section 7.1.

TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
TELNYX_PUBLIC = base64.b64encode(
    TELNYX_KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
).decode()
TELNYX_BODY = b'{"data":{"event_type":"call.answered"}}'
TELNYX_TIME = "1700000000"
TELNYX_SIGNATURE = base64.b64encode(
    TELNYX_KEY.sign(TELNYX_TIME.encode() + b"|" + TELNYX_BODY)
).decode()


def by_telnyx(
    signature: str = TELNYX_SIGNATURE,
    timestamp: str = TELNYX_TIME,
    payload: bytes = TELNYX_BODY,
    public_key: str = TELNYX_PUBLIC,
    now: float = 1700000010.0,
) -> bool:
    return is_telnyx_signature(
        signature, timestamp=timestamp, payload=payload, public_key=public_key, now=now
    )


def test_what_telnyx_signs_is_valid_for_a_while() -> None:
    assert TELNYX_PUBLIC == "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert by_telnyx()
    assert by_telnyx(now=1700000300.0)
    assert not by_telnyx(now=1700000301.0)
    assert not by_telnyx(now=1699999699.0)


@pytest.mark.parametrize(
    "change",
    [
        {"signature": ""},
        {"signature": "?"},
        {"signature": base64.b64encode(bytes(64)).decode()},
        {"timestamp": "1700000001"},
        {"timestamp": ""},
        {"timestamp": "-1"},
        {"timestamp": "\u0664"},
        {"payload": TELNYX_BODY + b" "},
        {"public_key": base64.b64encode(bytes(31) + b"\x01").decode()},
    ],
)
def test_a_changed_request_is_not_telnyxs(change: dict[str, Any]) -> None:
    assert not by_telnyx(**change)


@pytest.mark.parametrize("public_key", ["", "?", "AAAA"])
def test_a_public_key_that_is_none_is_an_error(public_key: str) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes in base64"):
        by_telnyx(public_key=public_key)


def test_telnyx_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[telephony\]"):
        by_telnyx()


# Vonage. The token of https://github.com/Vonage/vonage-python-sdk, jwt/tests/test_verify_jwt.py.

VONAGE_JWT = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2OTc2MzQ2ODAsImV4cCI6MzMyNTQ1NDA4MjgsImF1ZCI6Ii"
    "IsInN1YiI6IiJ9."
    "88vJc3I2HhuqEDixHXVhc9R30tA6U_HQHZTC29y6CGM"
)
VONAGE_SECRET = "qwertyuiopasdfghjklzxcvbnm123456"  # noqa: S105 - the published one
VONAGE_NOW = 1700000000.0


def by_vonage(
    authorization: str = f"Bearer {VONAGE_JWT}",
    secret: str = VONAGE_SECRET,
    now: float = VONAGE_NOW,
    payload: bytes | None = None,
) -> bool:
    return is_vonage_signature(authorization, signature_secret=secret, now=now, payload=payload)


def vonage(claims: Any, header: Any = None, secret: str = VONAGE_SECRET) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    header = {"typ": "JWT", "alg": "HS256"} if header is None else header
    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"Bearer {signed}.{part(digest)}"


def test_vonages_example_is_valid() -> None:
    assert by_vonage()
    assert by_vonage(f"bearer {VONAGE_JWT}")


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "asdf"},
        {"now": 33254540829.0},
        {"now": 1697634680.0 - 301},
        {"authorization": ""},
        {"authorization": VONAGE_JWT},
        {"authorization": f"Basic {VONAGE_JWT}"},
        {"authorization": f"Bearer {VONAGE_JWT[:-1]}"},
        {"authorization": f"Bearer {VONAGE_JWT.replace('eyJ', 'eyK', 1)}"},
        {"authorization": "Bearer ..."},
        {"authorization": "Bearer \ud800.\ud800.\ud800"},
        {"payload": b"{}"},
    ],
)
def test_a_changed_request_is_not_vonages(change: dict[str, Any]) -> None:
    assert not by_vonage(**change)


def test_a_token_may_hold_the_hash_of_the_payload() -> None:
    payload = b'{"uuid":"u1"}'
    claims = {"iat": VONAGE_NOW, "payload_hash": hashlib.sha256(payload).hexdigest()}
    assert by_vonage(vonage(claims), payload=payload)
    assert by_vonage(vonage(claims))
    assert not by_vonage(vonage(claims), payload=payload + b" ")
    assert not by_vonage(vonage(claims | {"payload_hash": None}), payload=payload)


@pytest.mark.parametrize(
    ("claims", "is_valid"),
    [
        ({"iat": VONAGE_NOW - 299}, True),
        ({"iat": VONAGE_NOW - 301}, False),
        ({"iat": VONAGE_NOW + 301}, False),
        ({"iat": VONAGE_NOW - 9999, "exp": VONAGE_NOW + 1}, True),
        ({"exp": VONAGE_NOW}, False),
        ({"exp": VONAGE_NOW + 1}, True),
        ({"iat": VONAGE_NOW, "nbf": VONAGE_NOW + 301}, False),
        ({"iat": "now"}, False),
        ({"api_key": "abc"}, False),
        ({}, False),
        ([1], False),
    ],
)
def test_a_token_is_valid_for_a_while(claims: Any, is_valid: bool) -> None:
    assert by_vonage(vonage(claims)) is is_valid


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256", None, 1])
def test_a_token_cannot_choose_how_it_is_checked(algorithm: Any) -> None:
    assert not by_vonage(vonage({"iat": VONAGE_NOW}, {"typ": "JWT", "alg": algorithm}))
    unsigned = vonage({"iat": VONAGE_NOW}, {"alg": algorithm}).rpartition(".")[0] + "."
    assert not by_vonage(unsigned)


# Genesys. The example of https://developer.genesys.cloud/devapps/audiohook/security.

GENESYS_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
GENESYS_SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="  # noqa: S105 - the published one
GENESYS_TARGET = "/api/v1/voicebiometrics/ws"
GENESYS_INPUT = (
    'sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" '
    '"audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";'
    'nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;expires=3282026430'
)
GENESYS_HEADERS = {
    "host": "audiohook.example.com",
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
    "x-api-key": GENESYS_KEY,
    "signature": "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
    "signature-input": GENESYS_INPUT,
}


def by_genesys(
    headers: dict[str, str] = GENESYS_HEADERS,
    target: str = GENESYS_TARGET,
    api_key: str = GENESYS_KEY,
    client_secret: str = GENESYS_SECRET,
    now: float = 1641013205.0,
) -> bool:
    return is_genesys_signature(
        headers, target=target, api_key=api_key, client_secret=client_secret, now=now
    )


def test_genesys_example_is_valid_for_a_while() -> None:
    assert by_genesys()
    assert by_genesys(now=1641013200.0 + 300)
    assert not by_genesys(now=1641013200.0 + 301)
    assert not by_genesys(now=1641013200.0 - 301)


@pytest.mark.parametrize("name", GENESYS_HEADERS)
def test_each_header_matters_to_genesys(name: str) -> None:
    assert not by_genesys({key: GENESYS_HEADERS[key] for key in GENESYS_HEADERS.keys() - {name}})
    assert not by_genesys(GENESYS_HEADERS | {name: GENESYS_HEADERS[name] + "x"})


@pytest.mark.parametrize(
    "change",
    [
        {"target": GENESYS_TARGET + "?x=1"},
        {"api_key": "another"},
        {"client_secret": base64.b64encode(b"another").decode()},
    ],
)
def test_a_changed_request_is_not_genesys(change: dict[str, Any]) -> None:
    assert not by_genesys(**change)


def test_a_client_secret_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="base64"):
        by_genesys(client_secret="?")  # noqa: S106


def genesys(components: list[str], parameters: str) -> dict[str, str]:
    """Sign the example's request again, with the right secret but other things in the signature."""
    values = GENESYS_HEADERS | {
        "@request-target": GENESYS_TARGET,
        "@authority": "audiohook.example.com",
    }
    quoted = " ".join(f'"{name}"' for name in components)
    params = f"({quoted}){parameters}"
    lines = [f'"{name}": {values[name]}' for name in components]
    lines.append(f'"@signature-params": {params}')
    key = base64.b64decode(GENESYS_SECRET)
    digest = base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), "sha256")).decode()
    return GENESYS_HEADERS | {"signature-input": f"s={params}", "signature": f"s=:{digest}:"}


COMPONENTS = GENESYS_INPUT[len('sig1=("') : GENESYS_INPUT.index('")')].split('" "')
PARAMETERS = f';keyid="{GENESYS_KEY}";created=1641013200'


def test_a_signature_may_cover_more_in_another_order() -> None:
    assert by_genesys(genesys([*reversed(COMPONENTS), "host"], PARAMETERS))


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_signature_that_leaves_something_out_is_not_valid(name: str) -> None:
    assert not by_genesys(genesys([each for each in COMPONENTS if each != name], PARAMETERS))


@pytest.mark.parametrize(
    "parameters",
    [
        f';keyid="{GENESYS_KEY}"',
        ";created=1641013200",
        PARAMETERS + ";expires=1641013201",
        PARAMETERS + ';alg="rsa-pss-sha512"',
    ],
)
def test_a_signature_with_other_parameters_is_not_valid(parameters: str) -> None:
    assert not by_genesys(genesys(COMPONENTS, parameters))


def test_a_component_that_is_named_twice_is_not_valid() -> None:
    assert not by_genesys(genesys([*COMPONENTS, "x-api-key"], PARAMETERS))


headers = st.text(max_size=60)


@given(headers, headers)
def test_no_header_is_worse_than_not_valid(first: str, second: str) -> None:
    assert not by_twilio(signature=first)
    assert not by_telnyx(signature=first, timestamp=second)
    assert not by_vonage(authorization=f"Bearer {first}.{second}.{first}")
    changed = {"signature-input": f"sig1={first}", "signature": second}
    assert not by_genesys(GENESYS_HEADERS | changed)
