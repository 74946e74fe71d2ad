"""Short-lived tokens that let in once, as `POST /connect` hands them out."""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voicewire.auth.answers import cannot_tell, not_accepted, nothing_shown
from voicewire.auth.used_tokens import (
    NONCE_BYTES,
    LocalUsedTokens,
    SharedUsedTokens,
    UsedTokens,
    shared_by_workers,
)
from voicewire.errors import ConfigurationError, ConnectRefusedError, QueueFullError
from voicewire.transports.connect import ConnectRequest
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.identity import Identity

MIN_SECRET_BYTES = 32

MAX_LIFETIME_SECS = 3600.0

MAX_TOKEN_CHARS = 8192
"""It has to fit into a request head, beside the rest."""

_PREFIX = "vw1"


class OneTimeTokens:
    """Lets in once who shows a token that was issued here a moment ago.

    ::

        tokens = OneTimeTokens(secret=os.environ["TOKEN_SECRET"])
        params = WebsocketServerParams(
            authenticate=AnyOf(StaticTokens({...}), tokens), connect_hook=tokens.give
        )

    A page asks `/connect`, where the other hook lets it in, and gets a token with which it opens
    the WebSocket: what stands in the address, and perhaps in the log of a proxy, is of no use to
    anybody else. `/connect` itself is never opened by such a token. A backend with a secret in
    common with the server calls `issue` itself.

    A token holds the subject and the claims, signed with HMAC-SHA256, to be read by whoever has it.

    Single use holds in all workers of one server. Several servers need a `directory` in common, on
    one machine; those on several machines need secrets of their own.

    Args:
        secret: 32 bytes or more, known to the servers alone: `secrets.token_hex(32)`.
        lifetime_secs: How long a token may wait to be used; at most an hour.
        directory: Where processes that this library has not started, such as the workers of
            uvicorn, keep in common what has been used. It must exist; not on Windows.
        now: Unix seconds.

    Raises:
        ConfigurationError: The secret is too short, or the lifetime is out of bounds.
    """

    def __init__(
        self,
        secret: str | bytes,
        *,
        lifetime_secs: float = 60.0,
        directory: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        key = secret.encode() if isinstance(secret, str) else secret
        if len(key) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"secret has {len(key)} bytes; expected {MIN_SECRET_BYTES} or more: "
                "python -c 'import secrets; print(secrets.token_hex(32))' makes a good one"
            )
        if not 0.0 < lifetime_secs <= MAX_LIFETIME_SECS:
            raise ConfigurationError(
                f"lifetime_secs is {lifetime_secs:g}; expected up to {MAX_LIFETIME_SECS:g}"
            )
        # Of its own: the same secret may be in use elsewhere.
        self._key = hmac.digest(key, b"voicewire one-time token", "sha256")
        self._lifetime_secs = lifetime_secs
        self._directory = directory
        self._now = now
        self._used: UsedTokens | None = None

    def __repr__(self) -> str:
        return f"OneTimeTokens(lifetime_secs={self._lifetime_secs:g})"

    def __getstate__(self) -> dict[str, Any]:
        # Another process finds for itself what has been used.
        return {**self.__dict__, "_used": None}

    def issue(self, identity: Identity) -> str:
        """Return a token that lets `identity` in, once.

        Raises:
            ValueError: The claims are no JSON, or too long for an address.
        """
        content = {
            "id": _to_text(secrets.token_bytes(NONCE_BYTES)),
            "exp": round(self._now() + self._lifetime_secs, 3),
            "sub": identity.subject,
            "claims": dict(identity.claims),
        }
        payload = _to_text(json.dumps(content, separators=(",", ":"), allow_nan=False).encode())
        token = f"{_PREFIX}.{payload}.{_to_text(self._sign(payload))}"
        if len(token) > MAX_TOKEN_CHARS:
            raise ValueError(f"the token has {len(token)} characters; at most {MAX_TOKEN_CHARS}")
        return token

    async def give(self, request: ConnectRequest) -> str:
        """Return a token for whoever asks `/connect`: a `connect_hook`."""
        if request.identity is None:
            raise ConnectRefusedError("the server does not ask who you are", status=500)
        return self.issue(request.identity)

    async def __call__(self, request: HandshakeRequest) -> Identity | Rejection:
        """Use up the token that is shown, and return for whom it was issued."""
        token = request.bearer_token
        if token is None:
            return nothing_shown()
        content = self._content_of(token)
        if content is None:
            return not_accepted("the token is not known")
        if request.method != "GET":
            return not_accepted("the token opens a WebSocket, and nothing else")
        now = self._now()
        if now >= content["exp"]:
            return not_accepted("the token has expired")
        try:
            is_first = self._memory().take(
                _to_bytes(content["id"]), expires_at=content["exp"], now=now
            )
        except QueueFullError:
            return cannot_tell("too many tokens have been used at once")
        if not is_first:
            return not_accepted("the token has been used before")
        return Identity(content["sub"], content["claims"])

    def _content_of(self, token: str) -> Mapping[str, Any] | None:
        """Return what stands in a token of ours; None if it is not."""
        prefix, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        expected = _to_text(self._sign(payload))
        is_ours = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        if not is_ours or prefix != _PREFIX:
            return None
        content: Mapping[str, Any] = json.loads(_to_bytes(payload))
        return content

    def _sign(self, payload: str) -> bytes:
        return hmac.digest(self._key, payload.encode(errors="replace"), "sha256")

    def _memory(self) -> UsedTokens:
        if self._used is None:
            shared = shared_by_workers()
            if self._directory is not None:
                name = hmac.digest(self._key, b"file of used tokens", "sha256").hex()[:32]
                self._used = SharedUsedTokens.at(self._directory / f"used-{name}")
            elif shared is not None:
                self._used = SharedUsedTokens.of_workers(shared)
            else:
                self._used = LocalUsedTokens()
        return self._used


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
