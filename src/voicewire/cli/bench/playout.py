"""What a player makes of audio that arrives when it arrives. Pure.

A *stretch* is audio without a gap in what it says, so that a player that plays it should never
stop. Its ends are natural: nothing after its last message can be late.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicewire.cli.bench.plan import Window

Floats = NDArray[np.float64]

ROUNDING_SECS = 1e-6
"""What adding up durations may be wrong by."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The messages of a stretch in their order.

    Attributes:
        arrivals: When each one came, seconds.
        secs: How long each one plays.
    """

    arrivals: Floats
    secs: Floats


def glitch_times(stretch: Stretch, *, buffer_secs: float) -> list[float]:
    """Return when audio arrived that a player had already run out for.

    The player gathers `buffer_secs` before it begins, and again after each time that it ran dry.
    """
    times = []
    gathered_secs = 0.0
    plays_until: float | None = None
    for at, secs in zip(stretch.arrivals.tolist(), stretch.secs.tolist(), strict=True):
        if plays_until is not None and at > plays_until + ROUNDING_SECS:
            times.append(at)
            plays_until, gathered_secs = None, 0.0
        if plays_until is not None:
            plays_until += secs
            continue
        gathered_secs += secs
        if gathered_secs >= buffer_secs:
            plays_until = at + gathered_secs
    return times


def deviations(stretch: Stretch, *, buffer_secs: float, window: Window) -> Floats:
    """Return how far each message in the window is from the stretch's ideal schedule, in seconds.

    Ideally each message comes when the one before it has been played; the schedule is anchored
    where half of the messages are early and half are late. The messages that fill the player's
    buffer at the beginning of the stretch are left out: many servers send them all at once, on
    purpose.
    """
    played_secs = np.cumsum(stretch.secs)
    num_gathered = int(np.searchsorted(played_secs, buffer_secs - ROUNDING_SECS)) + 1
    arrivals = stretch.arrivals[num_gathered:]
    offsets = arrivals - (played_secs - stretch.secs)[num_gathered:]
    offsets = offsets[(arrivals >= window.start_at) & (arrivals < window.end_at)]
    return np.abs(offsets - np.median(offsets)) if offsets.size else offsets
