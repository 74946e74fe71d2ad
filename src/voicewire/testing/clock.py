"""A clock that tests turn by hand."""

import heapq
from collections.abc import Callable
from itertools import count


class VirtualTimer:
    """A scheduled call of a `VirtualClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Time stands still until `advance`; scheduled calls run in order as it passes them."""

    def __init__(self, now: float = 100.0) -> None:
        self._now = now
        self._order = count()
        self._timers: list[tuple[float, int, VirtualTimer]] = []

    @property
    def num_timers(self) -> int:
        """Calls that are still to come."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def now(self) -> float:
        return self._now

    def call_later(self, delay_secs: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        due_at = self._now + max(0.0, delay_secs)
        heapq.heappush(self._timers, (due_at, next(self._order), timer))
        return timer

    def advance(self, secs: float) -> None:
        """Let `secs` pass, making every call that falls due."""
        end = self._now + secs
        while self._timers and self._timers[0][0] <= end:
            due_at, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due_at)
            if timer.callback is not None:
                timer.callback()
        self._now = max(self._now, end)

    def stall(self, secs: float) -> None:
        """Let `secs` pass in which nothing runs: calls that fall due meanwhile are made late."""
        self._now += secs
