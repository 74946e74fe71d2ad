"""A WebSocket to a vendor's service: opened with backoff, and told of in errors without its key."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from voicewire.errors import ServiceError

T = TypeVar("T")

OPEN_SECS = 5.0
"""Longest wait for a connection."""

FIRST_BACKOFF_SECS = 0.25
MAX_BACKOFF_SECS = 8.0
"""Between two attempts: twice as long each time, up to this, less a random part."""

MAX_MESSAGE_BYTES = 1 << 24

_REFUSED_FOR_GOOD = frozenset([400, 401, 402, 403, 404])
"""Statuses that another attempt does not change."""


class RefusedError(ServiceError):
    """The service refuses the connection, and would again: a wrong key, no such model."""


async def open_socket(
    service: str, url: str, headers: Mapping[str, str], *, open_secs: float = OPEN_SECS
) -> ClientConnection:
    """Open a connection.

    Args:
        service: Whose it is, in an error.
        url: `wss://…`; what is behind its `?` appears in no error.
        headers: Of the handshake, the key among them; they appear in no error.
        open_secs: Longest wait.

    Raises:
        RefusedError: The service answers with a status that will not change.
        ServiceError: It cannot be reached, or not in time.
    """
    place = url.partition("?")[0]
    try:
        return await connect(
            url,
            additional_headers=headers,
            open_timeout=open_secs,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,
            close_timeout=1.0,
        )
    except InvalidStatus as exc:
        status = exc.response.status_code
        kind = RefusedError if status in _REFUSED_FOR_GOOD else ServiceError
        raise kind(f"{service}: {place} answers with HTTP status {status}") from None
    except TimeoutError:
        raise ServiceError(f"{service}: no answer from {place} within {open_secs:g} s") from None
    except (OSError, InvalidHandshake) as exc:
        raise ServiceError(f"{service}: {place} cannot be reached: {type(exc).__name__}") from None


class Backoff:
    """How long to wait before the next attempt."""

    def __init__(self) -> None:
        self._next_secs = FIRST_BACKOFF_SECS

    def reset(self) -> None:
        """An attempt has succeeded."""
        self._next_secs = FIRST_BACKOFF_SECS

    def next_secs(self) -> float:
        """Return the wait, and make the next one longer. Random, so that callers do not march."""
        secs, self._next_secs = self._next_secs, min(self._next_secs * 2, MAX_BACKOFF_SECS)
        return secs * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


async def retry(
    attempt: Callable[[], Awaitable[T]],
    *,
    deadline_secs: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Return what `attempt` returns; try again with backoff until the deadline.

    Raises:
        RefusedError: At once: another attempt would change nothing.
        ServiceError: The last one, when the deadline has come.
    """
    backoff = Backoff()
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + deadline_secs
    while True:
        try:
            return await attempt()
        except RefusedError:
            raise
        except ServiceError:
            wait_secs = backoff.next_secs()
            if loop.time() + wait_secs >= give_up_at:
                raise
            await sleep(wait_secs)


def as_object(message: str | bytes) -> dict[str, Any]:
    """Return a message that is a JSON object.

    Raises:
        ValueError: It is something else.
    """
    content = json.loads(message)
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {type(content).__name__}")
    return content
