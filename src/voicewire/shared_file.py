"""Memory that several processes have in common."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from typing import Any, BinaryIO, Self

if sys.platform != "win32":
    import fcntl


class SharedFile:
    """A file without a name, which processes get by being started with it.

    Nothing of it is left when the last of them has ended, however that ends.

    Args:
        file: Open for reading and writing, without a buffer.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    @classmethod
    def of_size(cls, num_bytes: int) -> Self:
        """Return one that holds so many zeros.

        Raises:
            OSError: There is no room for it.
        """
        file = tempfile.TemporaryFile(prefix="voicewire-", buffering=0)  # noqa: SIM115 - handed on
        try:
            _allocate(file.fileno(), num_bytes)
        except OSError:
            file.close()
            raise
        return cls(file)

    def __reduce__(self) -> tuple[Callable[[object], "SharedFile"], tuple[object]]:
        return _inherit, (reduction.DupFd(self.file.fileno()),)

    def close(self) -> None:
        """Let go of it."""
        self.file.close()


@contextlib.contextmanager
def locked(file: BinaryIO) -> Iterator[None]:
    """Keep other processes out that lock the file, too; this one must not do so twice (POSIX)."""
    fcntl.lockf(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN)


def _allocate(fd: int, num_bytes: int) -> None:
    os.truncate(fd, num_bytes)
    if hasattr(os, "posix_fallocate"):
        # A hole for which the disk has no room later kills whoever writes to it, with SIGBUS.
        os.posix_fallocate(fd, 0, num_bytes)


def _inherit(duplicate: Any) -> SharedFile:
    return SharedFile(os.fdopen(duplicate.detach(), "r+b", buffering=0))
