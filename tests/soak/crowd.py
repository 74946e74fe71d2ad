"""Many ordinary callers, who are cheap: `voicewire bench`, wave after wave."""

import asyncio
import contextlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

from tests.cli.command_line import VOICEWIRE

WAVE_SECS = 40.0
"""Less than the longest time of a session."""

FIRST_SIZE = 20
MAX_SIZE = 400
"""What one process of callers drives in time."""

LATE_MS = 600.0
"""A server that takes longer to notice that somebody speaks has not enough of the machine."""


@dataclass
class Crowd:
    """What the waves have seen.

    Attributes:
        size: Of the next wave.
        num_calls: Callers so far.
        num_waves: Waves so far.
        vad_ms: 99th percentile of the last wave's VAD delays.
        worst_vad_ms: The largest of those.
        num_glitches: How often a player ran dry, in all waves.
        num_turns: Phrases that were said.
        num_unanswered: Those of them that were not answered.
        troubles: What went wrong.
    """

    size: int = FIRST_SIZE
    num_calls: int = 0
    num_waves: int = 0
    vad_ms: float = 0.0
    worst_vad_ms: float = 0.0
    num_glitches: int = 0
    num_turns: int = 0
    num_unanswered: int = 0
    troubles: list[str] = field(default_factory=list)

    async def call(self, url: str, secs: float) -> None:
        """Send a wave, and return when it is over."""
        size = self.size
        process = await asyncio.create_subprocess_exec(
            *VOICEWIRE, "bench", "--target", url, "--scenario", "conversation", "--json",
            *("--sessions", str(size), "--secs", str(secs), "--processes", "1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.returncode != 0:
            self.troubles.append(f"the bench has ended with {process.returncode}: {err.decode()}")
            return
        self.take(json.loads(out))

    def take(self, report: dict[str, Any]) -> None:
        """Add what a wave has told."""
        self.num_waves += 1
        self.num_calls += report["sessions"] - report["refused"]
        self.num_glitches += report["glitches"]
        self.num_turns += report["turns"]
        self.num_unanswered += report["unanswered_turns"]
        vad = report["vad_delay_ms"]
        self.vad_ms = vad["p99"] if vad else 0.0
        self.worst_vad_ms = max(self.worst_vad_ms, self.vad_ms)
        for what in ("refusals", "failures"):
            if report[what]:
                self.troubles.append(f"callers of the crowd: {what}: {report[what]}")


def size_for(
    share: float, *, now: int, base_share: float, wanted_share: float, vad_ms: float = 0.0
) -> int:
    """Return of how many callers a server needs the wanted part of a core, or comes nearer to it.

    Where it is late, it gets less of the machine than it needs, and has fewer callers.

    Args:
        share: What it needs with `now` callers in the crowd.
        now: How many those are.
        base_share: What it needs with none.
        wanted_share: What it is to need.
        vad_ms: 99th percentile of how long it took to notice that one of them spoke.
    """
    if vad_ms > LATE_MS:
        return max(1, now // 2)
    each = (share - base_share) / now
    if each <= 0:
        return now
    wanted = math.floor((wanted_share - base_share) / each)
    return max(1, min(MAX_SIZE, wanted, 2 * now))
