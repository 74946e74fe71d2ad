"""How many callers a server takes, and for how long."""

from pydantic import Field

from voicewire.params import Params


class Limits(Params):
    """What a `VoiceServer` lets in. With several workers, the limits hold for all of them together.

    Attributes:
        max_sessions: Callers at a time. It is never exceeded, not even in a burst: the surplus is
            told 503 with `Retry-After` before the WebSocket is opened.
        max_sessions_per_ip: Callers at a time from one address; the surplus is told 429. None is no
            such limit. Behind a proxy that is none of `trusted_proxies`, all callers have the
            proxy's address; telephone providers bring many calls from one, too.
        max_session_secs: Longest time of a session; then the caller is told goodbye, with 4002.
            None is for ever.
        max_pending_handshakes: Sockets, in each worker, on which no WebSocket has been opened yet;
            the surplus is told 503.
        max_pending_handshakes_per_ip: Of them, those from one address; the surplus is told 429. It
            does not count on loopback, nor for `trusted_proxies`. None is no such limit.
        handshake_timeout_secs: How long a caller may take from the first byte to the open
            WebSocket, TLS and `authenticate` included, however much trickles in.
    """

    max_sessions: int = Field(default=1000, ge=1)
    max_sessions_per_ip: int | None = Field(default=None, ge=1)
    max_session_secs: float | None = Field(default=None, gt=0.0)
    max_pending_handshakes: int = Field(default=2048, ge=1)
    max_pending_handshakes_per_ip: int | None = Field(default=64, ge=1)
    handshake_timeout_secs: float = Field(default=10.0, gt=0.0)
