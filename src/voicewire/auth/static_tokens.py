"""A few fixed tokens, each for somebody."""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from typing import Self

from voicewire.auth.answers import not_accepted, nothing_shown
from voicewire.errors import ConfigurationError
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.identity import Identity

MIN_TOKEN_CHARS = 16
"""Shorter ones can be guessed."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
_HOW_TO_MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe())' makes a good one"


class StaticTokens:
    """Lets in who shows one of a few tokens.

    ::

        StaticTokens({"kiosk": "uQx3...", "ada": ["the old one", "the new one"]})

    Tokens are compared in constant time, and kept as digests.

    Args:
        tokens: By the subject of the `Identity` that they make: one, or several.

    Raises:
        ConfigurationError: There is none, or one is too short, belongs to two, or holds what
            cannot stand in a header.
    """

    def __init__(self, tokens: Mapping[str, str | Collection[str]]) -> None:
        self._subjects: dict[bytes, str] = {}
        for subject, given in tokens.items():
            for token in (given,) if isinstance(given, str) else given:
                self._add(subject, token)
        if not self._subjects:
            raise ConfigurationError("there is no token, so nobody could come in")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ada:TOKEN,kiosk:TOKEN` as from an environment variable; names may be left out.

        Raises:
            ConfigurationError: As above. The message names no token.
        """
        tokens: dict[str, list[str]] = {}
        for number, entry in enumerate(filter(None, map(str.strip, text.split(","))), 1):
            name, colon, token = entry.partition(":")
            if colon and not name:
                raise ConfigurationError(f"token {number} has no name before its colon")
            subject = name if colon else f"token-{number}"
            tokens.setdefault(subject, []).append(token if colon else entry)
        return cls(tokens)

    def __repr__(self) -> str:
        return f"StaticTokens(of {', '.join(sorted(set(self._subjects.values())))})"

    async def __call__(self, request: HandshakeRequest) -> Identity | Rejection:
        """Return whose token it is."""
        token = request.bearer_token
        if token is None:
            return nothing_shown()
        shown = _digest(token)
        found = None
        for digest, subject in self._subjects.items():  # All of them, whichever it is.
            if hmac.compare_digest(digest, shown):
                found = subject
        return Identity(found) if found is not None else not_accepted("the token is not known")

    def _add(self, subject: str, token: str) -> None:
        if not subject:
            raise ConfigurationError("a token has no subject; expected {'ada': 'TOKEN'}")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ConfigurationError(
                f"the token of {subject!r} cannot stand in a header: expected ASCII without blanks"
            )
        if len(token) < MIN_TOKEN_CHARS:
            raise ConfigurationError(
                f"the token of {subject!r} has {len(token)} characters; expected "
                f"{MIN_TOKEN_CHARS} or more: {_HOW_TO_MAKE_ONE}"
            )
        owner = self._subjects.setdefault(_digest(token), subject)
        if owner != subject:
            raise ConfigurationError(f"{owner!r} and {subject!r} have the same token")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
