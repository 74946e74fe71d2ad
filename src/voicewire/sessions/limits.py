"""How many callers a server takes, and for how long."""

from pydantic import Field

from voicewire.params import Params


class Limits(Params):
    """What a `VoiceServer` lets in. With several workers, the limits hold for all of them together.

    Attributes:
        max_sessions: Callers at a time. It is never exceeded, not even in a burst: the surplus is
            told 503 with `Retry-After` before the WebSocket is opened.
        max_sessions_per_ip: Callers at a time from one address; the surplus is told 429. None is no
            such limit. Behind a proxy all callers have the proxy's address.
        max_session_secs: Longest time of a session; then the caller is told goodbye, with 4002.
            None is for ever.
    """

    max_sessions: int = Field(default=1000, ge=1)
    max_sessions_per_ip: int | None = Field(default=None, ge=1)
    max_session_secs: float | None = Field(default=None, gt=0.0)
