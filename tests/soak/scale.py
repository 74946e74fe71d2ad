"""How long everything takes: minutes in a long soak, parts of a second in a short one."""

import json
from dataclasses import asdict, dataclass

SHORT_SECS = 60.0
"""A soak that is shorter is a short form."""


@dataclass(frozen=True)
class Scale:
    """Timeouts of the server, and what callers make of their time. All in seconds.

    Attributes:
        ping_secs: After which silence a peer is asked, and again until it counts as gone.
        lag_secs: How long a client may refuse to read.
        resume_secs: How long a lost client is waited for.
        session_secs: The longest time of a session.
        talk_secs: How long a caller talks with the bot at most.
        pause_secs: Of a fault that is over before anybody loses patience.
    """

    ping_secs: float = 5.0
    lag_secs: float = 5.0
    resume_secs: float = 10.0
    session_secs: float = 60.0
    talk_secs: float = 20.0
    pause_secs: float = 2.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


LONG = Scale()

SHORT = Scale(
    ping_secs=1.0, lag_secs=1.0, resume_secs=2.0, session_secs=60.0, talk_secs=1.0, pause_secs=0.2
)


def scale_of(secs: float) -> Scale:
    """Return what a soak of `secs` has time for."""
    return SHORT if secs < SHORT_SECS else LONG
