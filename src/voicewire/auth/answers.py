"""How those are refused who are not known (RFC 6750, section 3)."""

from voicewire.transports.handshake import Rejection, try_later


def nothing_shown() -> Rejection:
    """Return the answer to a caller who shows no token."""
    return Rejection(
        401,
        "a token is needed: Authorization: Bearer ..., or ?token=...",
        {"WWW-Authenticate": "Bearer"},
    )


def not_accepted(why: str) -> Rejection:
    """Return the answer to a token that lets nobody in."""
    challenge = f'Bearer error="invalid_token", error_description="{why}"'
    return Rejection(401, why, {"WWW-Authenticate": challenge})


def not_allowed(scopes: str) -> Rejection:
    """Return the answer to somebody who is known, and lacks one of these scopes."""
    challenge = f'Bearer error="insufficient_scope", scope="{scopes}"'
    return Rejection(403, "the token does not allow this", {"WWW-Authenticate": challenge})


def cannot_tell(why: str) -> Rejection:
    """Return the answer to a token that can perhaps be checked later."""
    return try_later(why)
