"""Why sessions end, and how many have."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from voicewire.transports.connection import ABNORMAL_CLOSURE, INTERNAL_ERROR, PING_TIMEOUT
from voicewire.transports.outbound import CLOSE_TRY_AGAIN_LATER

REFUSALS = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Close codes for what a peer has sent (RFC 6455, 7.4.1)."""


class EndReason(StrEnum):
    """Why a session has ended. Each has one reason: what came first."""

    CALLER_LEFT = "caller-left"
    """The caller has closed the connection, or the application has, by `client.close`."""

    CONNECTION_LOST = "connection-lost"
    """The connection broke, or the caller gave no sign of life."""

    CALLER_LAGGED = "caller-lagged"
    """The caller did not read what was sent, and was closed (1013)."""

    CALLER_REFUSED = "caller-refused"
    """The caller was closed for what they sent, or for not saying who calls (1002 to 1010)."""

    BOT_FINISHED = "bot-finished"
    """The bot has returned, or its pipeline has ended by itself."""

    BOT_FAILED = "bot-failed"
    """The bot raised, or asked the program to exit (1011)."""

    BOT_NOT_STARTED = "bot-not-started"
    """No pipeline ran in time (1011)."""

    TIME_UP = "time-up"
    """`Limits.max_session_secs` have passed (4002)."""

    DRAINED = "drained"
    """The server was told to end, and the turn under way has come to its end (1001)."""

    DRAIN_TIME_UP = "drain-time-up"
    """The server was told to end, and the turn under way took longer than `drain_secs` (1001)."""

    SERVER_STOPPED = "server-stopped"
    """The server was told to end at once (1001)."""


@dataclass(slots=True)
class SessionCounts:
    """How many sessions there have been: `started == live + ended.total()`, always.

    Attributes:
        started: Callers for whom a session was begun.
        live: Those of them that are not over.
        ended: Those that are, by the reason.
    """

    started: int = 0
    live: int = 0
    ended: Counter[EndReason] = field(default_factory=Counter)


def reason_of_close(code: int, words: str) -> EndReason:
    """Return why a connection ended that was closed by its code and words, whoever said them."""
    if code == ABNORMAL_CLOSURE or words == PING_TIMEOUT:
        return EndReason.CONNECTION_LOST
    if code == CLOSE_TRY_AGAIN_LATER:
        return EndReason.CALLER_LAGGED
    if code == INTERNAL_ERROR:
        return EndReason.BOT_FAILED
    return EndReason.CALLER_REFUSED if code in REFUSALS else EndReason.CALLER_LEFT
