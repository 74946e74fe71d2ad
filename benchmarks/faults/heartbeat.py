"""When processes were kept from running by what else the machine does, so that none is blamed."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

BEAT_SECS = 0.005

LATE_SECS = 0.01
"""A beat that comes so late tells that the process had to wait for a core."""


class Heartbeat:
    """Beats within the block, and notes when this process could not, or another one.

    Args:
        standstills: Those that are known.
        pid: The other process; Linux only. None is this one.

    Attributes:
        standstills: From when to when, monotonic.
    """

    def __init__(
        self, standstills: Sequence[tuple[float, float]] = (), *, pid: int | None = None
    ) -> None:
        self.standstills = list(standstills)
        self._pid = pid
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._beating is not None
        self._beating.cancel()
        await asyncio.wait((self._beating,))

    def stood_still(self, since: float, until: float) -> bool:
        """Return whether the process stood still at some time between two moments."""
        return any(begin < until and since < end for begin, end in self.standstills)

    async def _beat(self) -> None:
        began_at, waited_secs = time.monotonic(), self._waited_secs()
        while True:
            await asyncio.sleep(BEAT_SECS)
            now, waited_since_secs = time.monotonic(), self._waited_secs()
            late_secs = waited_since_secs - waited_secs if self._pid else now - began_at - BEAT_SECS
            if late_secs > LATE_SECS:
                self.standstills.append((began_at, now))
            began_at, waited_secs = now, waited_since_secs

    def _waited_secs(self) -> float:
        """Return how long the other process has waited for a core, ever."""
        with contextlib.suppress(OSError):
            return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[1]) / 1e9
        return 0.0
