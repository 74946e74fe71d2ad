"""Which one-time tokens have been used: each is taken once, by whichever process is asked."""

import contextlib
import heapq
import os
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from voicewire.errors import ConfigurationError, QueueFullError

if sys.platform != "win32":
    import fcntl

NONCE_BYTES = 16

MAX_USED = 65_536
"""How many are remembered; the next one is refused, for none may be forgotten before its time."""

KEEP_SECS = 60.0
"""How long one is remembered beyond its time: a clock that is set back must not revive it."""

_shared_directory: Path | None = None


def share_used_tokens(directory: Path) -> None:
    """Say where the processes of this server keep in common what has been used."""
    global _shared_directory  # A fact of the process, told once at its start.
    _shared_directory = directory


def shared_directory() -> Path | None:
    """Return what `share_used_tokens` was told; None in a server of one process."""
    return _shared_directory


class UsedTokens(ABC):
    """Remembers tokens as long as they could be used again."""

    @abstractmethod
    def take(self, nonce: bytes, *, expires_at: float, now: float) -> bool:
        """Use a token up; return False if that has been done before.

        Args:
            nonce: What tells it from all others, of 16 bytes.
            expires_at: When it would be of no use anyhow, on the clock of `now`.
            now: The time.

        Raises:
            QueueFullError: There is no room to remember it.
        """


class LocalUsedTokens(UsedTokens):
    """Of a server of one process."""

    def __init__(self, max_used: int = MAX_USED) -> None:
        self._max_used = max_used
        self._nonces: set[bytes] = set()
        self._by_end: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._nonces)

    def take(self, nonce: bytes, *, expires_at: float, now: float) -> bool:
        while self._by_end and self._by_end[0][0] <= now:
            self._nonces.discard(heapq.heappop(self._by_end)[1])
        if nonce in self._nonces:
            return False
        if len(self._nonces) >= self._max_used:
            raise QueueFullError("the memory of used tokens", self._max_used, "tokens")
        self._nonces.add(nonce)
        heapq.heappush(self._by_end, (expires_at + KEEP_SECS, nonce))
        return True


class SharedUsedTokens(UsedTokens):
    """Of several processes, in a file that all of them map into their memory.

    A record a token: its nonce, and when it may be forgotten; an empty record is one of the past.
    The kernel lets go of the file's lock when a process dies that holds it.

    Args:
        path: The file. Whoever comes first makes it.
        max_used: As it is for all others.

    Raises:
        ConfigurationError: It cannot be made, is not ours alone, or is of another size.
    """

    _RECORD = np.dtype([("nonce", np.uint64, 2), ("until", np.float64)])

    def __init__(self, path: Path, max_used: int = MAX_USED) -> None:
        if sys.platform == "win32":
            raise ConfigurationError("one-time tokens of several processes do not work on Windows")
        self._max_used = max_used
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        except OSError as exc:
            raise ConfigurationError(f"{path} cannot be used: {exc.strerror}") from exc
        weakref.finalize(self, self._file.close)
        with self._lock():
            self._check_or_fill(path)
        self._records = np.memmap(self._file, dtype=self._RECORD, shape=(max_used,))

    def take(self, nonce: bytes, *, expires_at: float, now: float) -> bool:
        first, second = np.frombuffer(nonce, np.uint64)
        nonces = self._records["nonce"]
        with self._lock():
            is_current = self._records["until"] > now
            is_it = is_current & (nonces[:, 0] == first) & (nonces[:, 1] == second)
            if is_it.any():
                return False
            free = int(np.argmin(is_current))
            if is_current[free]:
                raise QueueFullError("the memory of used tokens", self._max_used, "tokens")
            self._records[free] = ((first, second), expires_at + KEEP_SECS)
            return True

    def _check_or_fill(self, path: Path) -> None:
        size = self._max_used * self._RECORD.itemsize
        status = os.fstat(self._file.fileno())
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise ConfigurationError(f"{path} belongs to others too; remove it")
        if status.st_size == 0:
            os.truncate(self._file.fileno(), size)
        elif status.st_size != size:
            raise ConfigurationError(f"{path} is something else; remove it")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
