"""Whether a request comes from the provider that it says it comes from. Pure functions.

They are asked when a provider opens its WebSocket, and for its webhooks. What is missing or
malformed is not valid; nothing raises but a wrong configuration of our own. Signatures are compared
in constant time.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from voicewire.errors import ConfigurationError, MissingExtraError

MAX_AGE_SECS = 300.0
"""How old a signed request may be, and how far ahead of our clock."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def is_twilio_signature(
    signature: str,
    *,
    url: str,
    auth_token: str,
    params: Mapping[str, str | Sequence[str]] | None = None,
) -> bool:
    """Return whether Twilio has signed a request.

    See https://www.twilio.com/docs/usage/security#validating-requests. Twilio leaves a port out of
    some requests and adds it to others, so both are accepted.

    Args:
        signature: The header `X-Twilio-Signature`.
        url: As Twilio was told it, with `wss://` for a stream; proxies change what arrives.
        auth_token: The account's.
        params: Of a POST; none for a WebSocket.
    """
    rest = "".join(
        name + value for name, values in sorted((params or {}).items()) for value in _each(values)
    )
    valid = False
    for candidate in _with_and_without_port(url):
        digest = hmac.digest(_bytes(auth_token), _bytes(candidate + rest), "sha1")
        valid |= hmac.compare_digest(base64.b64encode(digest), _bytes(signature))
    return valid


def is_telnyx_signature(
    signature: str,
    *,
    timestamp: str,
    payload: bytes,
    public_key: str,
    now: float,
    max_age_secs: float = MAX_AGE_SECS,
) -> bool:
    """Return whether Telnyx has signed a webhook. Needs the extra `telephony`.

    See https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks.

    Args:
        signature: The header `telnyx-signature-ed25519`.
        timestamp: The header `telnyx-timestamp`, in Unix seconds.
        payload: The request's body, as it came.
        public_key: From Telnyx' portal, in base64.
        now: Unix seconds.
        max_age_secs: How old the request may be.

    Raises:
        ConfigurationError: The public key is none.
        MissingExtraError: The package `cryptography` is not installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as exc:
        needed_for = "checking the signatures of Telnyx"
        raise MissingExtraError("cryptography", "telephony", needed_for=needed_for) from exc
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except ValueError as exc:
        message = "public_key: expected 32 bytes in base64, as Telnyx' portal shows them"
        raise ConfigurationError(message) from exc
    signed_at = _decimal(timestamp)
    if signed_at is None or abs(now - signed_at) > max_age_secs:
        return False
    try:
        key.verify(_base64(signature), timestamp.encode() + b"|" + payload)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_telnyx_key(public_key: str) -> None:
    """Find out whether signatures of Telnyx can be checked with a key.

    Raises:
        ConfigurationError: The public key is none.
        MissingExtraError: The package `cryptography` is not installed.
    """
    is_telnyx_signature("", timestamp="", payload=b"", public_key=public_key, now=0.0)


def check_genesys_secret(client_secret: str) -> bytes:
    """Return the key that is in a client secret.

    Raises:
        ConfigurationError: It is not base64.
    """
    try:
        return base64.b64decode(client_secret, validate=True)
    except ValueError as exc:
        raise ConfigurationError("client_secret: expected base64, as Genesys has it") from exc


def is_vonage_signature(
    authorization: str,
    *,
    signature_secret: str,
    now: float,
    payload: bytes | None = None,
    max_age_secs: float = MAX_AGE_SECS,
) -> bool:
    """Return whether Vonage has signed a request: a JWT (RFC 7519) with HS256.

    See https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks.

    Args:
        authorization: The header `Authorization`, `Bearer ` and the token.
        signature_secret: The account's.
        now: Unix seconds.
        payload: The body, whose hash is in the token; None where there is none to check.
        max_age_secs: How old the token may be, where it does not say itself how long it is valid.
    """
    scheme, _, token = authorization.partition(" ")
    signed, _, signature = token.strip().rpartition(".")
    header_text, _, claims_text = signed.partition(".")
    header, claims = _json_of(header_text), _json_of(claims_text)
    # The algorithm is fixed: a token must not choose how it is checked.
    if scheme.lower() != "bearer" or header.get("alg") != "HS256" or not claims:
        return False
    expected = hmac.digest(_bytes(signature_secret), _bytes(signed), "sha256")
    if not hmac.compare_digest(expected, _base64url(signature)):
        return False
    if not _is_current(claims, now, max_age_secs):
        return False
    if payload is None:
        return True
    claimed = claims.get("payload_hash")
    actual = hashlib.sha256(payload).hexdigest()
    return isinstance(claimed, str) and hmac.compare_digest(_bytes(actual), _bytes(claimed))


GENESYS_COMPONENTS = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)
"""What the signature of an AudioHook connection has to cover."""

_SIGNATURE_INPUT = re.compile(
    r'\s*(?P<label>[a-z*][a-z0-9_.*-]*)=(?P<params>\((?P<components>"[^"]+"(?: "[^"]+")*)\)'
    r'(?:;[a-z]+=(?:"[^"]*"|\d{1,15}))*)\s*'
)
_PARAMETER = re.compile(r';([a-z]+)=(?:"([^"]*)"|(\d+))')


def is_genesys_signature(
    headers: Mapping[str, str],
    *,
    target: str,
    api_key: str,
    client_secret: str,
    now: float,
    max_age_secs: float = MAX_AGE_SECS,
) -> bool:
    """Return whether Genesys has signed the opening of an AudioHook connection.

    See https://developer.genesys.cloud/devapps/audiohook/security: HTTP message signatures with
    HMAC-SHA256.

    Args:
        headers: The request's, with names in lower case.
        target: Path and query of the request, as Genesys was told them.
        api_key: As configured in Genesys.
        client_secret: As configured in Genesys, in base64.
        now: Unix seconds.
        max_age_secs: How old the signature may be.

    Raises:
        ConfigurationError: The client secret is not base64.
    """
    key = check_genesys_secret(client_secret)
    found = _SIGNATURE_INPUT.fullmatch(headers.get("signature-input", ""))
    if found is None:
        return False
    components = found["components"].strip('"').split('" "')
    parameters = {
        name: text or digits for name, text, digits in _PARAMETER.findall(found["params"])
    }
    if not set(GENESYS_COMPONENTS) <= set(components) or len(set(components)) != len(components):
        return False
    values = {"@request-target": target, "@authority": headers.get("host", "").strip()}
    lines = []
    for component in components:
        value = values.get(component) or headers.get(component, "").strip()
        if not value:
            return False
        lines.append(f'"{component}": {value}')
    base = "\n".join([*lines, f'"@signature-params": {found["params"]}'])
    if not _is_genesys_current(parameters, now, max_age_secs):
        return False
    prefix, label = headers.get("signature", "").strip(), f"{found['label']}=:"
    if not (prefix.startswith(label) and prefix.endswith(":")):
        return False
    expected = hmac.digest(key, _bytes(base), "sha256")
    is_signed = hmac.compare_digest(expected, _base64(prefix[len(label) : -1]))
    is_our_key = hmac.compare_digest(_bytes(parameters.get("keyid", "")), _bytes(api_key))
    is_their_key = hmac.compare_digest(_bytes(headers.get("x-api-key", "")), _bytes(api_key))
    return is_signed and is_our_key and is_their_key


def _is_genesys_current(parameters: Mapping[str, str], now: float, max_age_secs: float) -> bool:
    created, expires = _decimal(parameters.get("created")), _decimal(parameters.get("expires"))
    if parameters.get("alg", "hmac-sha256") != "hmac-sha256" or created is None:
        return False
    return abs(now - created) <= max_age_secs and (expires is None or now < expires)


def _is_current(claims: Mapping[str, Any], now: float, max_age_secs: float) -> bool:
    """Whether a token is valid now: until `exp`, or for a time after `iat`."""
    issued, expires, not_before = (_number(claims.get(name)) for name in ("iat", "exp", "nbf"))
    if issued is None and expires is None:
        return False
    if expires is not None and now >= expires:
        return False
    if not_before is not None and now < not_before - max_age_secs:
        return False
    if issued is None:
        return True
    return issued <= now + max_age_secs and (expires is not None or now - issued <= max_age_secs)


def _with_and_without_port(url: str) -> set[str]:
    try:
        parts = urlsplit(url)
        port, default = parts.port, _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return {url}
    if port is None and default is not None:
        return {url, urlunsplit(parts._replace(netloc=f"{parts.netloc}:{default}"))}
    return {url, urlunsplit(parts._replace(netloc=parts.netloc.rpartition(":")[0]))}


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")


def _each(values: str | Sequence[str]) -> list[str]:
    return [values] if isinstance(values, str) else sorted(set(values))


def _json_of(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_base64url(part))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _base64url(text: str) -> bytes:
    return _base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _decimal(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None
