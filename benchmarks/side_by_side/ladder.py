"""How many callers a server holds: a search on a ladder of numbers. Pure.

The rungs are the same for all sides and rounds, so that medians of rounds are rungs too, and a
round that begins where the one before ended needs few steps.
"""

from bisect import bisect_left
from collections.abc import Callable

RATIO = 1.1
"""From rung to rung, and so the resolution of what is found."""

HIGHEST = 10_000

RUNGS = sorted({round(RATIO**n) for n in range(97)})
"""1, 2, 3, ... 9, 10, 11, 12, 13, 14, 16, ... 10,000 or a little less."""


def search(holds: Callable[[int], bool], *, start: int, stride: int) -> int:
    """Return the highest rung that holds, below which all that was tried held; 0 if none does.

    Args:
        holds: Tries so many callers.
        start: Callers of the first try; the rung above is taken if it is between two.
        stride: Rungs of the first jump from there; each further one is twice as long.
    """
    held, missed = -1, len(RUNGS)
    rung = min(bisect_left(RUNGS, start), len(RUNGS) - 1)
    while missed - held > 1:
        if holds(RUNGS[rung]):
            held = rung
        else:
            missed = rung
        if missed == len(RUNGS):
            rung = min(held + stride, len(RUNGS) - 1)
            stride *= 2
        elif held == -1:
            rung = max(missed - stride, 0)
            stride *= 2
        else:
            rung = (held + missed) // 2
    return RUNGS[held] if held >= 0 else 0
