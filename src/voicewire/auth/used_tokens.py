"""Which one-time tokens have been used: each is taken once, by whichever process is asked."""

import heapq
import os
import sys
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from voicewire.errors import ConfigurationError, QueueFullError
from voicewire.shared_file import SharedFile, locked

NONCE_BYTES = 16

MAX_USED = 65_536
"""How many are remembered; the next one is refused, for none may be forgotten before its time."""

KEEP_SECS = 60.0
"""How long one is remembered beyond its time: a clock that is set back must not revive it."""

_shared: SharedFile | None = None


def share_used_tokens(shared: SharedFile) -> None:
    """Say what the processes of this server share, as `SharedUsedTokens.create` has made it."""
    global _shared  # A fact of the process, told once at its start.
    _shared = shared


def shared_by_workers() -> SharedFile | None:
    """Return what `share_used_tokens` was told; None in a server of one process."""
    return _shared


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
    The lock is a process's own (POSIX), as workers have the same open file. The kernel lets go of
    it when a process dies that holds it.

    Args:
        file: Of as many records as are remembered; closed by `close`, or with this object.
    """

    _RECORD = np.dtype([("nonce", np.uint64, 2), ("until", np.float64)])

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        weakref.finalize(self, file.close)
        self._records = np.memmap(file, dtype=self._RECORD)

    @classmethod
    def create(cls, max_used: int = MAX_USED) -> SharedFile:
        """Return a file without a name, for the workers of a server."""
        return SharedFile.of_size(max_used * cls._RECORD.itemsize)

    @classmethod
    def of_workers(cls, shared: SharedFile) -> Self:
        """Return a view of what `create` has made, which stays open."""
        return cls(os.fdopen(os.dup(shared.file.fileno()), "r+b", buffering=0))

    @classmethod
    def at(cls, path: Path, max_used: int = MAX_USED) -> Self:
        """Return what stands at `path`. Whoever comes first makes it.

        Args:
            path: The file.
            max_used: As it is for all others.

        Raises:
            ConfigurationError: It cannot be made, is not ours alone, or is of another size.
        """
        if sys.platform == "win32":
            raise ConfigurationError("one-time tokens of several processes do not work on Windows")
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        except OSError as exc:
            raise ConfigurationError(f"{path} cannot be used: {exc.strerror}") from exc
        try:
            with locked(file):
                _check_or_fill(file, path, max_used * cls._RECORD.itemsize)
        except ConfigurationError:
            file.close()
            raise
        return cls(file)

    def take(self, nonce: bytes, *, expires_at: float, now: float) -> bool:
        first, second = np.frombuffer(nonce, np.uint64)
        nonces = self._records["nonce"]
        with locked(self._file):
            is_current = self._records["until"] > now
            is_it = is_current & (nonces[:, 0] == first) & (nonces[:, 1] == second)
            if is_it.any():
                return False
            free = int(np.argmin(is_current))
            if is_current[free]:
                raise QueueFullError("the memory of used tokens", len(self._records), "tokens")
            self._records[free] = ((first, second), expires_at + KEEP_SECS)
            return True

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _check_or_fill(file: BinaryIO, path: Path, num_bytes: int) -> None:
    status = os.fstat(file.fileno())
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigurationError(f"{path} belongs to others too; remove it")
    if status.st_size == 0:
        os.truncate(file.fileno(), num_bytes)
    elif status.st_size != num_bytes:
        raise ConfigurationError(f"{path} is something else; remove it")
