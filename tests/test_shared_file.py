"""Memory that several processes have in common."""

import errno
import os

import pytest

from voicewire.shared_file import SharedFile


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system does not reserve room")
def test_its_room_on_the_disk_is_its_own_from_the_beginning() -> None:
    shared = SharedFile.of_size(100_000)
    status = os.fstat(shared.file.fileno())
    assert status.st_size == 100_000
    assert status.st_blocks * 512 >= 100_000
    shared.close()


def test_a_full_disk_is_an_error_at_once_and_not_a_signal_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(fd: int, offset: int, num_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(OSError, match="No space left"):
        SharedFile.of_size(100_000)
