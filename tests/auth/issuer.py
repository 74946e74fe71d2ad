"""An issuer of tokens, with its keys on a real port."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.services.fakes.http_server import Exchange, FakeHTTPServer, Request

ISSUER = "https://login.example.com/"
AUDIENCE = "voice"

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = Ed25519PrivateKey.generate()


def public_pem(key: Any) -> str:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(pem.decode())


def private_pem(key: Any) -> str:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return str(pem.decode())


def jwk(key: Any, algorithm: str, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the public part of a key as an issuer shows it."""
    shown = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    named = {"kid": kid} if kid is not None else {}
    return {**shown, "use": "sig", **named, **more}


def claims(**more: Any) -> dict[str, Any]:
    """Return what a good token says; None leaves a claim out."""
    now = time.time()
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": int(now), "exp": int(now) + 60}
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def token(
    key: Any = RSA_KEY,
    algorithm: str = "RS256",
    kid: str | None = None,
    header: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    """Return a token with `more` claims."""
    headers = {**({"kid": kid} if kid is not None else {}), **(header or {})}
    return jwt.encode(claims(**more), key, algorithm=algorithm, headers=headers)


class Issuer(FakeHTTPServer):
    """Shows its keys to whoever asks.

    Attributes:
        keys: What it shows.
        body: What it shows instead.
    """

    def __init__(self, *keys: dict[str, Any]) -> None:
        super().__init__()
        self.keys = list(keys)
        self.body: bytes | None = None

    @property
    def url(self) -> str:
        return f"{self.origin}/jwks.json"

    def fault_of(self, request: Request) -> str | None:
        return None

    async def answer(self, request: Request, exchange: Exchange) -> None:
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        await exchange.send_whole(body)

    def error_body(self, message: str) -> Any:
        return {"error": message}
