"""An issuer's public keys, fetched when they are needed, and no more often than is good."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from voicewire.auth.key_set import KeySet
from voicewire.clock import MonotonicClock
from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.transports.origins import is_loopback

logger = logging.getLogger(__name__)

FETCH_SECS = 3.0
"""How long the issuer may take. It is less than a caller may be kept waiting."""

RETRY_SECS = 5.0
"""The least time between two fetches of which the first has failed."""

MAX_BYTES = 256 * 1024

STALE_SECS = 3600.0
"""How long keys are used beyond their time while the issuer cannot be reached."""


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be had now."""


class RemoteKeys:
    """Keeps a `KeySet` up to date.

    It is fetched for the first caller, again when it is older than `lifetime_secs`, and when a
    token names a key that is not in it, for issuers change their keys. Whatever callers show, two
    fetches begin at least `refetch_secs` apart (5 s where the first has failed), and there is one
    at a time, for all who wait.

    Args:
        url: Where the issuer has them; `https://`, or this machine.
        algorithms: Keys for these are kept.
        lifetime_secs: How long they are taken for the current ones.
        refetch_secs: The least time between two fetches.
        now: Monotonic seconds.

    Raises:
        ConfigurationError: Whoever is on the way could put keys of their own in.
        MissingExtraError: httpx2 is not installed.
    """

    def __init__(
        self,
        url: str,
        algorithms: Collection[str],
        *,
        lifetime_secs: float,
        refetch_secs: float,
        now: Callable[[], float] = MonotonicClock.now,
    ) -> None:
        _check_url(url)
        try:
            import httpx2  # noqa: F401 - now, rather than at the first caller
        except ImportError as exc:
            raise MissingExtraError("httpx2", "auth", needed_for="jwks_url") from exc
        self._url = url
        self._algorithms = tuple(algorithms)
        self._lifetime_secs = lifetime_secs
        self._refetch_secs = refetch_secs
        self._now = now
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        # A task stays in its process; so do keys that no pickle can hold.
        state = dict(self.__dict__)
        for name in ("_keys", "_fetched_at", "_next_at", "_fetching"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    async def find(self, kid: str | None, algorithm: str) -> Any:
        """Return the key that a token names; None if the issuer has no such key.

        Raises:
            KeysUnavailableError: The issuer does not answer, and there are no keys of before.
        """
        if self._now() - self._fetched_at >= self._lifetime_secs:
            await self._fetch_soon()
        key = self._find(kid, algorithm)
        if key is None and await self._fetch_soon():
            key = self._find(kid, algorithm)
        return key

    def _forget(self) -> None:
        self._keys: KeySet | None = None
        self._fetched_at = -math.inf
        self._next_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    def _find(self, kid: str | None, algorithm: str) -> Any:
        too_old_at = self._fetched_at + self._lifetime_secs + STALE_SECS
        if self._keys is None or self._now() >= too_old_at:
            raise KeysUnavailableError
        return self._keys.find(kid, algorithm)

    async def _fetch_soon(self) -> bool:
        """Return when a fetch has ended; False at once if it is too early for one."""
        if self._fetching is None:
            if self._now() < self._next_at:
                return False
            # Of its own: the caller who happens to be the first may leave, and others wait too.
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        await asyncio.shield(self._fetching)
        return True

    async def _fetch(self) -> None:
        begun_at = self._now()
        self._next_at = begun_at + min(RETRY_SECS, self._refetch_secs)
        try:
            self._keys = KeySet.parse(await _get(self._url), self._algorithms)
            self._fetched_at = self._now()
            self._next_at = begun_at + self._refetch_secs
        except Exception as exc:  # noqa: BLE001 - the network's or the issuer's; tokens wait
            words = str(exc) if isinstance(exc, ValueError) else ""
            logger.warning(
                "the keys of the issuer could not be fetched: %s %.200r", type(exc).__name__, words
            )
        finally:
            self._fetching = None


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    if not is_safe or not parts.hostname:
        raise ConfigurationError(
            "jwks_url is no https:// address; without TLS, whoever is on the way could put keys in"
        )


async def _get(url: str) -> bytes:
    import httpx2

    content = bytearray()
    async with (
        asyncio.timeout(FETCH_SECS),
        httpx2.AsyncClient(timeout=FETCH_SECS) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"HTTP {answer.status_code}")
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > MAX_BYTES:
                raise ValueError(f"longer than {MAX_BYTES} bytes")
    return bytes(content)
