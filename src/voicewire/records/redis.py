"""Records in Redis, or in Valkey: for servers on several machines, and for restarts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.records.store import SessionStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

CONNECT_SECS = 1.0
ANSWER_SECS = 2.0
"""How long a connection and an answer may take; who asks waits no longer than that in all."""


class RedisSessionStore(SessionStore):
    """Keeps records in a server that speaks Redis' protocol, 6.2 or newer, or Valkey.

    Args:
        url: Such as `redis://:PASSWORD@10.0.0.5:6379/0`; `rediss://` is with TLS.
        prefix: What all keys begin with.

    Raises:
        ConfigurationError: `url` is none.
        MissingExtraError: The extra `redis` is not installed.
    """

    def __init__(self, url: str, *, prefix: str = "voicewire:session:") -> None:
        self._url = url
        self._prefix = prefix
        self._redis = _open(url)

    def __repr__(self) -> str:
        return f"<RedisSessionStore {self._prefix!r}>"  # The address may hold a password.

    def __reduce__(self) -> tuple[Callable[[str, str], "RedisSessionStore"], tuple[str, str]]:
        return _again, (self._url, self._prefix)

    async def put(self, key: str, record: bytes, *, expires_secs: float) -> None:
        await self._redis.set(self._prefix + key, record, px=max(1, round(expires_secs * 1000)))

    async def take(self, key: str) -> bytes | None:
        record = await self._redis.getdel(self._prefix + key)
        return record if isinstance(record, bytes) else None

    async def close(self) -> None:
        await self._redis.aclose()


def _again(url: str, prefix: str) -> RedisSessionStore:
    return RedisSessionStore(url, prefix=prefix)


def _open(url: str) -> "Redis":
    """Return a client, which connects when it is asked."""
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as exc:
        raise MissingExtraError("redis", "redis", needed_for="RedisSessionStore") from exc
    try:
        return Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECS,
            socket_timeout=ANSWER_SECS,
            retry=Retry(NoBackoff(), retries=1),  # Of connections that have been closed meanwhile.
        )
    except ValueError:
        # Not chained into the message: the address may hold a password.
        raise ConfigurationError(
            "the address of the session store is none; expected one such as redis://host:6379/0"
        ) from None
