"""What a run does: everything that its processes must agree on."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Scenario = Literal["echo", "conversation"]

SCENARIOS: tuple[Scenario, ...] = ("echo", "conversation")

FRAME_SECS = 0.02
"""Audio in one message of a caller, as clients of the field send it."""

SAMPLE_RATE = 16000
"""Hertz of what callers send, mono."""

FRAME_SAMPLES = round(FRAME_SECS * SAMPLE_RATE)

FRAME_BYTES = 2 * FRAME_SAMPLES
"""16-bit samples."""

ROUNDING_FRAMES = 1e-4
"""What computing with times as floats may be wrong by."""

CLIENT_BUFFER_SECS = 0.06
"""What the stock JavaScript player has gathered before it begins to play."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        url: The server.
        sessions: How many callers, all at once.
        secs: How long the measured window lasts.
        warm_up_secs: Speech before the window; what happens in it is not reported.
        drain_secs: Speech after the window, in which answers to what was said in it still count.
        dialect: Name of the wire format.
        scenario: What callers do.
        client_buffer_secs: What the simulated player gathers before it plays.
        speech: A directory of recordings; None for those that come with the package.
    """

    url: str
    sessions: int
    secs: float
    warm_up_secs: float = 3.0
    drain_secs: float = 1.0
    dialect: str = "protobuf"
    scenario: Scenario = "echo"
    client_buffer_secs: float = CLIENT_BUFFER_SECS
    speech: Path | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The measured part of a run, on the monotonic clock, in seconds."""

    start_at: float
    end_at: float

    def __contains__(self, at: float) -> bool:
        return self.start_at <= at < self.end_at

    @property
    def secs(self) -> float:
        return max(0.0, self.end_at - self.start_at)

    def frames(self, first_due_at: float) -> range:
        """Return the numbers of a caller's frames that are due in the window."""
        first, end = (
            max(0, math.ceil((at - first_due_at) / FRAME_SECS - ROUNDING_FRAMES))
            for at in (self.start_at, self.end_at)
        )
        return range(first, max(first, end))
