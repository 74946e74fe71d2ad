"""Handshakes, as hooks get them."""

from typing import Any

from voicewire import HandshakeRequest, Identity, Rejection
from voicewire.transports.handshake import Headers


def handshake(
    token: str | None = None, *, in_query: str | None = None, method: str = "GET", **fields: str
) -> HandshakeRequest:
    """Return the request of a caller who shows `token` in a header, or another in the query."""
    headers = [("Authorization", f"Bearer {token}")] if token is not None else []
    headers += [(name.replace("_", "-"), value) for name, value in fields.items()]
    query = {"token": in_query} if in_query is not None else {}
    return HandshakeRequest(("127.0.0.1", 4711), "/ws", Headers(headers), query, method=method)


def refused(answer: Any, status: int, word: str = "") -> bool:
    """Return whether it is a refusal with this status, with a word of its reason."""
    assert isinstance(answer, Rejection), answer
    assert answer.status == status
    assert word in answer.reason
    challenge = answer.headers.get("WWW-Authenticate", "")
    return challenge.startswith("Bearer") if status == 401 else True


def subject_of(answer: Any) -> str:
    assert isinstance(answer, Identity), answer
    return answer.subject
