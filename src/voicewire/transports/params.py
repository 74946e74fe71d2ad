"""Everything that can be set on a transport, with its default and its bounds."""

import logging
from collections.abc import Collection
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from voicewire.errors import ConfigurationError
from voicewire.params import Params
from voicewire.records import SessionStore
from voicewire.rtvi.params import RTVIParams
from voicewire.serializers import FrameSerializer, ProtobufFrameSerializer
from voicewire.serializers.dialects import all_dialects
from voicewire.transports.connect import ConnectHook
from voicewire.transports.gate import is_coroutine_function
from voicewire.transports.identity import Authenticate
from voicewire.transports.proxies import Network
from voicewire.transports.tls import TLSFiles
from voicewire.vad import VADAnalyzer

logger = logging.getLogger(__name__)


class TransportParams(Params):
    """What every transport can do.

    Attributes:
        audio_in_enabled: Whether microphone audio is taken.
        audio_in_passthrough: Whether microphone frames go downstream; None follows
            `audio_in_enabled`. Where they stop at the input, voice activity detection hears them
            all the same.
        audio_in_sample_rate: Hertz that the pipeline gets; other rates are resampled.
        audio_in_channels: Channels that the pipeline gets; others are mixed.
        audio_in_max_ahead_secs: How far ahead of real time a client may send, as one does that
            sends a recording. Beyond that nothing is read of it until it is due.
        audio_out_enabled: Whether the bot's audio is sent.
        audio_out_sample_rate: Hertz that the client gets; None is the pipeline's own rate, or the
            one that the client's player takes all audio for.
        audio_out_channels: Channels that the client gets.
        audio_out_10ms_chunks: Length of an audio message, in units of 10 ms.
        audio_out_lead_secs: How far ahead of real time the client is kept; never less than a
            message and 20 ms. What it has buffered is still heard after an interruption, unless it
            can flush.
        audio_out_flush_lead_secs: How far ahead a client is kept that can flush: it drops what it
            has buffered when it is interrupted, so a deep buffer costs nothing and rides out a bad
            network.
        audio_out_max_queued_secs: Bot audio that may wait to be said; more is refused.
        audio_out_max_lag_secs: How long a client may refuse to read before it is closed (1013).
        vad_analyzer: Voice activity detection; None leaves it to others.
        echo_guard: Whether the bot's own voice, as it comes back through the microphone, is kept
            from interrupting it: for clients without echo cancellation. Browsers have their own.
        text_in_enabled: Whether text and transcriptions from the client enter the pipeline. They
            act as if the bot's own services had made them: text is spoken, transcriptions are
            answered.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    audio_in_enabled: bool = False
    audio_in_passthrough: bool | None = None
    audio_in_sample_rate: int = Field(default=16000, ge=8000, le=192_000)
    audio_in_channels: int = Field(default=1, ge=1, le=8)
    audio_in_max_ahead_secs: float = Field(default=30.0, gt=0.0)
    audio_out_enabled: bool = False
    audio_out_sample_rate: int | None = Field(default=None, ge=8000, le=192_000)
    audio_out_channels: int = Field(default=1, ge=1, le=8)
    audio_out_10ms_chunks: int = Field(default=4, ge=1, le=100)
    audio_out_lead_secs: float = Field(default=0.08, ge=0.0, le=10.0)
    audio_out_flush_lead_secs: float = Field(default=1.0, ge=0.0, le=10.0)
    audio_out_max_queued_secs: float = Field(default=300.0, gt=0.0)
    audio_out_max_lag_secs: float = Field(default=10.0, gt=0.0)
    vad_analyzer: VADAnalyzer | None = None
    echo_guard: bool = False
    text_in_enabled: bool = False

    @property
    def passes_audio_in(self) -> bool:
        """Whether microphone frames go downstream."""
        if self.audio_in_passthrough is None:
            return self.audio_in_enabled
        return self.audio_in_enabled and self.audio_in_passthrough

    @model_validator(mode="after")
    def _check_vad_rate(self) -> "TransportParams":
        if self.vad_analyzer is not None:
            self.vad_analyzer.check_sample_rate(self.audio_in_sample_rate)
            if not self.audio_in_enabled:
                logger.warning("vad_analyzer hears nothing without audio_in_enabled=True")
        return self


class WebsocketParams(TransportParams):
    """What a WebSocket connection can do, beside what every transport can.

    Attributes:
        add_wav_header: Whether each outgoing audio message is a complete WAV file.
        serializer: Puts frames on the wire and takes them off.
        rtvi: What clients are told that speak RTVI, as Pipecat's do; None leaves their messages to
            the pipeline.
        session_timeout: Seconds without a message from the other end until `on_session_timeout`.
        max_message_bytes: Longest message taken from the other end; a longer one closes the
            connection (1009).
        ping_interval_secs: How often an end that is silent is asked for a sign of life; None never
            asks.
        ping_timeout_secs: How long the sign of life may take before the other end counts as gone;
            None waits for ever.
    """

    add_wav_header: bool = False
    serializer: FrameSerializer = Field(default_factory=ProtobufFrameSerializer)
    rtvi: RTVIParams | None = None
    session_timeout: float | None = Field(default=None, gt=0.0)
    max_message_bytes: int = Field(default=1 << 20, ge=1024)
    ping_interval_secs: float | None = Field(default=10.0, gt=0.0)
    ping_timeout_secs: float | None = Field(default=10.0, gt=0.0)

    def serializer_for(self, path: str, subprotocols: Collection[str]) -> FrameSerializer:
        """Return what a client speaks that has connected like this; its own copy is to be made."""
        return self.serializer

    @field_validator("serializer", mode="before")
    @classmethod
    def _refuse_no_serializer(cls, value: Any) -> Any:
        if value is None:
            raise ConfigurationError(
                "serializer=None would drop every message in silence; leave it out for "
                "ProtobufFrameSerializer(), or give the serializer that the other end speaks"
            )
        return value


class WebsocketClientParams(WebsocketParams):
    """What a WebSocket client can do, beside what every WebSocket connection can.

    Attributes:
        headers: Further header fields of the handshake, such as `Authorization`.
        open_timeout_secs: How long the server may take to answer.
        resume_window_secs: How long a server is called again whose connection was lost, to go on
            where it was; 0 counts a loss as the end. More than 0 takes a serializer that carries
            RTVI, as the default one does.
    """

    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    open_timeout_secs: float = Field(default=10.0, gt=0.0)
    resume_window_secs: float = Field(default=0.0, ge=0.0, le=3600.0)

    @model_validator(mode="after")
    def _check_resuming(self) -> "WebsocketClientParams":
        if self.resume_window_secs and self.rtvi is not None:
            raise ConfigurationError(
                f"resume_window_secs={self.resume_window_secs:g} makes this a client of RTVI, and "
                "rtvi=RTVIParams(...) a server of it; leave one of them out"
            )
        if self.resume_window_secs and not self.serializer.carries_rtvi:
            raise ConfigurationError(
                f"resume_window_secs={self.resume_window_secs:g} takes a serializer that carries "
                f"RTVI, such as ProtobufFrameSerializer(); {type(self.serializer).__name__} does "
                "not; leave it at 0"
            )
        return self


class WebsocketServerParams(WebsocketParams):
    """What a WebSocket server can do, beside what every WebSocket connection can.

    Attributes:
        dialects: What clients speak that connect at these paths, or ask for a wire's subprotocol;
            all others speak what `serializer` says.
        on_second_client: What becomes of a client that comes while another one is there:
            `"replace"` closes the old one, `"reject"` refuses the new one.
        allowed_origins: Web pages that may connect, such as `["https://example.com"]`; `["*"]` is
            all of them. None lets in pages of the server's own host, pages on this machine where
            the server is on it too, and clients that are no browsers. On a loopback host such as
            "localhost", None lets in only pages that call the server by a loopback name, against
            DNS rebinding: behind a reverse proxy, name the pages.
        trusted_proxies: Addresses and networks of reverse proxies, such as `["10.0.0.0/8"]`. Only
            theirs is the `X-Forwarded-For` that says who calls.
        tls: The server's certificate, `TLSFiles(certificate=..., key=...)`: the port speaks TLS,
            so callers connect by `wss://` and pages are at `https://`. None speaks none.
        tcp_congestion_control: The kernel's algorithm of this name; None leaves the choice to the
            kernel. `"bbr"` keeps sound going on networks that lose packets. Linux only.
        permessage_deflate: Whether messages are compressed for clients that offer it (RFC 7692). It
            saves on JSON, little on audio, and costs processor time.
        talk_page: Whether `/` is a page to talk with the bot.
        authenticate: Asked about each caller before the WebSocket is opened, and about each
            `POST /connect`: an `async def` function that returns `Identity(...)`, which the bot
            finds as `transport.client.identity`, or `Rejection(...)`. Connections that a telephone
            provider has signed come in without it. None asks nobody.
        authenticate_timeout_secs: How long that may take; then the caller is told 503.
        connect_hook: Asked by `POST /connect` about each client that wants to know where to
            connect.
        resume_window_secs: How long the session of a client waits for it that has lost its
            connection and can come back, as voicewire's own can; 0 ends it at once.
        session_store: Where conversations are kept that bots `remember`, so that their clients find
            them in another process when this one has died or ended; None keeps none.
        public_url: What that answers, such as `"wss://voice.example.com"`; None is the address by
            which the server was called.
    """

    dialects: dict[str, FrameSerializer] = Field(default_factory=all_dialects)
    rtvi: RTVIParams | None = Field(default_factory=RTVIParams)
    on_second_client: Literal["replace", "reject"] = "replace"
    allowed_origins: list[str] | None = None
    trusted_proxies: tuple[Network, ...] = ()
    tls: TLSFiles | None = None
    tcp_congestion_control: str | None = None
    permessage_deflate: bool = False
    talk_page: bool = True
    authenticate: Authenticate | None = None
    # Less than `handshake_timeout_secs` of `ListenerSettings`, within which all is answered.
    authenticate_timeout_secs: float = Field(default=5.0, gt=0.0, lt=10.0)
    connect_hook: ConnectHook | None = None
    resume_window_secs: float = Field(default=30.0, ge=0.0, le=3600.0)
    session_store: SessionStore | None = None
    public_url: str | None = Field(default=None, pattern=r"^wss?://")

    @field_validator("authenticate")
    @classmethod
    def _refuse_plain_function(cls, value: Authenticate | None) -> Authenticate | None:
        if value is not None and not is_coroutine_function(value):
            raise ConfigurationError(
                f"authenticate is {type(value).__name__}; expected an `async def` function that "
                "takes the request and returns Identity(...) or Rejection(...)"
            )
        return value

    def serializer_for(self, path: str, subprotocols: Collection[str]) -> FrameSerializer:
        if path in self.dialects:
            return self.dialects[path]
        for serializer in self.dialects.values():
            if serializer.subprotocol in subprotocols:
                return serializer
        return self.serializer
