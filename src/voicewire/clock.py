"""Where time comes from. Only edges of the program hold a clock; pure objects are told `now`."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


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


class MonotonicClock:
    """The real clock: `time.monotonic` and the running event loop's timers."""

    def now(self) -> float:
        return time.monotonic()

    def call_later(self, delay_secs: float, callback: Callable[[], None]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(delay_secs, callback)
