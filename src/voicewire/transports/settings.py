"""The limits and timeouts of the listening side, and why each default is what it is."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voicewire.transports.proxies import Network
from voicewire.transports.tls import TLSFiles


class ConnectionSettings(BaseModel):
    """What one WebSocket connection may take, and how long it may be silent.

    Every duration is in seconds; None where it is allowed means "never".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_message_bytes: int = Field(default=2**20, gt=0)
    """A longer message closes the connection with 1009. 1 MiB is half a minute of 16 kHz audio."""

    ping_interval_secs: float | None = Field(default=10.0, gt=0)
    """A peer from which nothing has come for this long is asked whether it is there."""

    ping_timeout_secs: float | None = Field(default=10.0, gt=0)
    """A peer from which nothing comes for this long after the question is gone: 1011."""

    close_timeout_secs: float = Field(default=5.0, gt=0)
    """How long the peer may take to answer our close before the TCP connection is aborted."""

    write_high_water_bytes: int = Field(default=64 * 1024, gt=0)
    """Above this many unsent bytes `is_writing_paused` is true and nothing more is read.

    Everything in this buffer is speech that can no longer be taken back, so it is small: 1.4 s of
    24 kHz audio, just above the longest lead that a client is sent.
    """

    write_low_water_bytes: int = Field(default=16 * 1024, ge=0)
    """At this many unsent bytes writing goes on."""

    @model_validator(mode="after")
    def _check_water_marks(self) -> Self:
        if self.write_low_water_bytes >= self.write_high_water_bytes:
            raise ValueError("write_low_water_bytes must be less than write_high_water_bytes")
        return self


class ListenerSettings(BaseModel):
    """What the front door of a port lets in. Durations are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection: ConnectionSettings = ConnectionSettings()

    allowed_origins: list[str] | None = None
    """Which web pages may connect.

    None: pages of this server itself (the origin equals `Host`), programs that send no `Origin`,
    and any loopback page when the server was reached at a loopback address. A server that listens
    on loopback alone takes only pages that call it by a loopback name: behind a reverse proxy, name
    the pages. `["*"]`: all pages. Otherwise exactly these, such as `["https://example.com"]`, and
    programs without an `Origin`.
    """

    trusted_proxies: tuple[Network, ...] = ()
    """Networks whose `X-Forwarded-For` tells who calls; nobody else's is believed."""

    tls: TLSFiles | None = None
    """The certificate; None speaks no TLS."""

    subprotocols: tuple[str, ...] = ()
    """WebSocket subprotocols in order of preference; a client that offers none gets none."""

    permessage_deflate: bool = False
    """Compress messages for clients that offer it (RFC 7692).

    Off: it takes several times the processor time of all else that is done on the wire, and saves
    little of what is sent as audio. JSON with Base64 in it shrinks.
    """

    max_head_bytes: int = Field(default=16 * 1024, gt=0)
    """A longer request head is answered with 431."""

    handshake_timeout_secs: float = Field(default=10.0, gt=0)
    """From accept to the answer, whatever trickles in meanwhile. Bounds `admit` too."""

    max_pending_handshakes: int = Field(default=2048, gt=0)
    """More sockets than this without an answered handshake are refused with 503."""

    max_pending_handshakes_per_ip: int | None = Field(default=64, gt=0)
    """More of them from one address are refused with 429. Loopback and `trusted_proxies`, behind
    which many callers may be, have no such limit."""

    max_connections: int = Field(default=10_000, gt=0)
    """More open WebSocket connections than this are refused with 503."""

    max_http_connections: int = Field(default=256, gt=0)
    """More plain HTTP connections than this are refused with 503."""

    max_http_connections_per_ip: int | None = Field(default=64, gt=0)
    """More of them from one address are refused with 429, as with pending handshakes."""

    http_keep_alive_secs: int = Field(default=5, gt=0)
    """How long a plain HTTP connection may stay idle between two requests."""

    http_request_timeout_secs: float = Field(default=30.0, gt=0)
    """How long a plain HTTP request may take to arrive, or a stalled response to be taken."""

    backlog: int = Field(default=1024, gt=0)
    """How many callers the kernel holds for us before they are accepted."""

    reuse_port: bool = False
    """Let several processes listen on the same port (`SO_REUSEPORT`)."""

    tcp_user_timeout_secs: float | None = Field(default=20.0, gt=0)
    """TCP gives up on a peer that acknowledges nothing for this long (`TCP_USER_TIMEOUT`)."""

    tcp_notsent_lowat_bytes: int | None = Field(default=16 * 1024, gt=0)
    """How much unsent speech the kernel may hold on top of ours (`TCP_NOTSENT_LOWAT`)."""

    tcp_congestion_control: str | None = None
    """The kernel's algorithm of this name (`TCP_CONGESTION`); None leaves the choice to the kernel.

    `"bbr"`, where the kernel has it, keeps sound going on networks that lose packets.
    """

    receive_buffer_bytes: int | None = Field(default=64 * 1024, gt=0)
    """How much unread audio the kernel may hold (`SO_RCVBUF`): two seconds at 16 kHz.

    The kernel's own choice grows to megabytes: minutes of stale speech of a client that sends too
    fast. None leaves it to the kernel.
    """
