"""A telephone call, as its provider describes it, and how to end it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls.

    Attributes:
        provider: Such as `"twilio"`.
        call_id: The provider's name of the call; empty where it gives none.
        stream_id: The provider's name of this connection's audio; empty where it gives none.
        from_number: Who has called, as the provider writes it; None where it does not say.
        to_number: Who was called; None where the provider does not say.
        custom_parameters: What the application has told the provider to pass on.
    """

    provider: str
    call_id: str
    stream_id: str
    from_number: str | None = field(default=None, repr=False)
    to_number: str | None = field(default=None, repr=False)
    custom_parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CallRequest:
    """The HTTP request that begins or ends a call. A status from 200 to 299 says that it is done.

    Attributes:
        method: `"POST"` or `"DELETE"`.
        url: Whole.
        headers: With the credentials in them.
        body: Empty where there is none.
        statuses_if_gone: Statuses that mean that the call to be ended had ended before.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    statuses_if_gone: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """An HTTP request of a provider's, or the opening of a WebSocket.

    Attributes:
        url: As the provider was told it, with the query.
        target: Path and query.
        headers: With names in lower case.
        form: What a POST says, or the query of a GET; empty for a WebSocket.
        body: As it came; None for a WebSocket.
    """

    url: str = field(repr=False)
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StartAnswer:
    """What a provider is answered that asks what to do with a call."""

    content_type: str
    body: str
