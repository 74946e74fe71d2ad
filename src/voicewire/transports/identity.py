"""Who a caller is, as the application's hook has found out before they were let in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicewire.transports.handshake import HandshakeRequest, Rejection


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller who is known: `transport.client.identity` in the bot.

    Attributes:
        subject: Who it is, in words that a log may hold.
        claims: What else is known of them, such as the claims of a JSON Web Token. May be private:
            `repr` leaves it out.
    """

    subject: str
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.subject, str) or not self.subject:
            kind = type(self.subject).__name__
            raise ValueError(f"subject is an empty or no string ({kind}); expected who it is")


def subject_of(identity: Identity | None) -> str | None:
    """Return who it is; None of whom nothing is known."""
    return None if identity is None else identity.subject


Authenticate = Callable[[HandshakeRequest], Awaitable[Identity | Rejection]]
"""Asked about each caller before the WebSocket is opened, and about each `POST /connect`."""
