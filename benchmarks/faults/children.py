"""Callers that run in a process of their own."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import psutil

from benchmarks.faults.heartbeat import Heartbeat
from benchmarks.side_by_side.machine import CALLERS_CORE, pinned
from benchmarks.side_by_side.peers import ROOT

START_SECS = 20.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the callers have noted.

    Attributes:
        num_there: How many of them were there to the end.
        num_gaps: Between audio messages, all of them.
        gaps: Those in which the callers did not have to wait for a core: when each ended,
            monotonic, and its milliseconds.
    """

    num_there: int
    num_gaps: int
    gaps: Sequence[tuple[float, float]]

    def around(
        self, at: float, *, before_secs: float, during_secs: float, server: Heartbeat
    ) -> dict[str, float | None]:
        """Return how even the audio came before a moment, and from it on.

        Args:
            at: The moment, monotonic.
            before_secs: What counts before it.
            during_secs: What counts from it on.
            server: When the server had to wait for a core.
        """
        gaps = [(at, ms) for at, ms in self.gaps if not server.stood_still(at - ms / 1000, at)]
        before = _p99(gaps, at - before_secs, at)
        during = _p99(gaps, at, at + during_secs)
        change = None if before is None or during is None else 100 * (during / before - 1)
        counted = 100 * len(gaps) / max(1, self.num_gaps)
        return {
            "gap_before_p99_ms": before,
            "gap_p99_ms": during,
            "gap_change_percent": change,
            "gaps_counted_percent": counted,
        }


def _p99(gaps: Sequence[tuple[float, float]], since: float, until: float) -> float | None:
    within = [ms for at, ms in gaps if since <= at < until]
    return float(np.percentile(within, 99)) if within else None


class Talkers:
    """Callers who speak, in a process of their own: within the block."""

    def __init__(self, url: str, num_callers: int, secs: float) -> None:
        self._arguments = [url, str(num_callers), str(secs)]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with pinned(CALLERS_CORE):
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.faults.talkers", *self._arguments,
                cwd=ROOT, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
            )  # fmt: skip
        assert self._process.stdout is not None
        if not await asyncio.wait_for(self._process.stdout.readline(), START_SECS):
            raise OSError("the callers could not connect")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def port(self) -> int:
        """The port of the only caller."""
        assert self._process is not None
        (one,) = psutil.Process(self._process.pid).net_connections("tcp")
        return int(one.laddr.port)

    def stand_still(self) -> None:
        """Stop the process; its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def report(self) -> Report:
        """Wait for the end, and return what was noted."""
        assert self._process is not None
        assert self._process.stdout is not None
        noted = json.loads(await self._process.stdout.readline())
        return Report(noted["there"], noted["all_gaps"], noted["gaps"])
