"""All faults, in the order of the report."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.faults import crowd, ends, rubbish, silence
from benchmarks.faults.servers import Server, Side, Values


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to a server.

    Attributes:
        happen: Lets it happen, and says what it did.
        takes_many: Whether it takes more than one caller.
        is_slow: Whether it waits for timeouts, which are the same each time: it happens once.
        options: What the server is told.
        places: How many callers the server is told to take, if it can be told.
    """

    happen: Callable[[Server], Awaitable[Values]]
    takes_many: bool = False
    is_slow: bool = False
    options: tuple[str, ...] = ()
    places: int | None = None

    def is_for(self, side: Side) -> bool:
        """Whether a server is made for what this takes."""
        return side.has_many_callers or not self.takes_many

    def options_for(self, side: Side) -> tuple[str, ...]:
        """Return what a server of a side is told."""
        if self.places is None or not side.has_places:
            return self.options
        return (*self.options, "--places", str(self.places))


FAULTS = {
    "second_caller": Fault(crowd.second_caller),
    "twenty_callers": Fault(crowd.twenty_callers, takes_many=True),
    "burst": Fault(crowd.burst, takes_many=True, places=crowd.PLACES),
    "other_page": Fault(crowd.other_page),
    "other_page_named": Fault(crowd.other_page, options=("--own-page", crowd.OWN_PAGE)),
    "never_reads": Fault(silence.never_reads, is_slow=True),
    "half_open": Fault(silence.half_open, is_slow=True),
    "stall": Fault(silence.stall, is_slow=True),
    "late_pongs": Fault(silence.late_pongs, is_slow=True),
    "session_timeout": Fault(
        silence.session_timeout, options=("--session-timeout", str(silence.TIMEOUT_SECS))
    ),
    "garbage": Fault(rubbish.garbage),
    "trickle": Fault(rubbish.trickle, is_slow=True),
    "flood": Fault(rubbish.flood),
    "reset_and_reconnect": Fault(ends.reset_and_reconnect),
    "terminate": Fault(ends.terminate),
    "kill": Fault(ends.kill),
    "lose_network": Fault(ends.lose_network),
}

QUICK = ("second_caller", "other_page", "garbage", "reset_and_reconnect", "terminate")
"""Of the faults, those that take little time."""
