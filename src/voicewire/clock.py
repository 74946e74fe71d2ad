"""Where time comes from. Only edges of the program hold a clock; pure objects are told `now`."""

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

TICKS_PER_SEC = 1000
"""Timers that are due within the same tick share a wake-up of the event loop, at its end."""

STANDSTILL_SECS = 0.1
"""A wake-up that is later than this says that the program stood still, or was at work."""

MIN_CANCELLED_TO_SWEEP = 256
"""Below this many cancelled timers it is not worth while to look for them."""


class TimerHandle(Protocol):
    """A call that has been scheduled and can still be taken back."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """A source of monotonic time and of calls at a later time."""

    def now(self) -> float:
        """Return monotonic seconds; only differences mean something."""
        ...

    def call_later(self, delay_secs: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` once, `delay_secs` from now, on the event loop's thread."""
        ...


class _Timer:
    """A call in the queue of a `MonotonicClock`."""

    __slots__ = ("_clock", "callback", "is_in_heap")

    def __init__(self, clock: "MonotonicClock", callback: Callable[[], None]) -> None:
        self._clock = clock
        self.callback: Callable[[], None] | None = callback
        self.is_in_heap = True

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            if self.is_in_heap:
                self._clock.timer_cancelled()


class MonotonicClock:
    """The real clock: `time.monotonic`, and one timer of the event loop for all calls.

    A thousand callers have thousands of timers, of which a few are due at a time. They wait in a
    heap here, so that one that is set or cancelled costs about a microsecond, where a timer of the
    event loop costs several, and those that are due together share a wake-up.

    After a standstill of the program, what has come in meanwhile is read before any call is made:
    a peer that has answered in time is not taken for dead because nobody looked.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heap: list[tuple[float, int, _Timer]] = []
        self._numbers = count()
        self._num_cancelled = 0
        self._wake_up: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0
        self._has_let_read = False

    # Not a method that calls it: this is asked several times for each frame.
    now = staticmethod(time.monotonic)

    def call_later(self, delay_secs: float, callback: Callable[[], None]) -> TimerHandle:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # The first call, or the first after another loop has ended.
            self._loop = loop
            self._heap = []
            self._wake_up = None
        timer = _Timer(self, callback)
        due_at = time.monotonic() + delay_secs
        heapq.heappush(self._heap, (due_at, next(self._numbers), timer))
        if self._wake_up is None:
            self._wake_up_at(self._heap[0][0])
        elif due_at < self._wakes_at - 1 / TICKS_PER_SEC:
            self._wake_up.cancel()
            self._wake_up_at(due_at)
        return timer

    def timer_cancelled(self) -> None:
        """Take note that a timer in the heap will not be called: sweep when most will not be."""
        self._num_cancelled += 1
        most = max(MIN_CANCELLED_TO_SWEEP, len(self._heap) // 2)
        if self._num_cancelled > most or self._num_cancelled >= len(self._heap):
            self._sweep()

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].callback is not None]
        heapq.heapify(self._heap)
        self._num_cancelled = 0
        if not self._heap and self._wake_up is not None:
            # The event loop would keep this clock, and whoever it is for, until it was due.
            self._wake_up.cancel()
            self._wake_up = None

    def _wake_up_at(self, due_at: float) -> None:
        assert self._loop is not None  # noqa: S101 - set before anything waits in the heap
        self._has_let_read = False
        self._wakes_at = math.ceil(due_at * TICKS_PER_SEC) / TICKS_PER_SEC
        delay_secs = max(0.0, self._wakes_at - time.monotonic())
        self._wake_up = self._loop.call_later(delay_secs, self._call_due)

    def _call_due(self) -> None:
        self._wake_up = None
        now = time.monotonic()
        if now - self._wakes_at > STANDSTILL_SECS and not self._has_let_read:
            assert self._loop is not None  # noqa: S101 - it is running this
            self._has_let_read = True
            self._wake_up = self._loop.call_later(1 / TICKS_PER_SEC, self._call_due)
            return
        due = []
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            timer.is_in_heap = False
            if timer.callback is None:
                self._num_cancelled -= 1
            else:
                due.append(timer)
        for timer in due:  # What they set has its turn after other events have had theirs.
            callback, timer.callback = timer.callback, None
            if callback is not None:  # Otherwise one of the others has cancelled it.
                self._call(callback)
        if self._heap and self._wake_up is None:
            self._wake_up_at(self._heap[0][0])

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as exc:  # noqa: BLE001 - as the event loop does, for the others' sake
            assert self._loop is not None  # noqa: S101 - it is running this
            self._loop.call_exception_handler(
                {"message": f"timer callback {callback!r} failed", "exception": exc}
            )
