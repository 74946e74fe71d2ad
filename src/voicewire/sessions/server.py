"""Many callers on one port, each with a bot of their own."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError
from voicewire.records.guarded import StoreCounts
from voicewire.sessions.ends import EndReason, SessionCounts
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import FULL, LocalPlaces, Places
from voicewire.sessions.registry import SessionRegistry
from voicewire.sessions.session import GOING_AWAY, Bot, Session
from voicewire.sessions.shared_port import SharedPort
from voicewire.transports import TransportStats, WebsocketServerParams
from voicewire.transports.gate import Gate, is_coroutine_function
from voicewire.transports.http import make_http_app
from voicewire.transports.listener import Listener, Listening
from voicewire.transports.websocket import check_arguments, listener_settings
from voicewire.vad import SileroVADAnalyzer

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

SPARE_CONNECTIONS = 256
"""Connections beyond `max_sessions`: of sessions that are over, in their closing handshake."""


class VoiceServer(Listening):
    """Listens on a port and calls a bot for each caller, in a session of its own.

    ::

        async def bot(transport):
            task = PipelineTask(Pipeline([transport.input(), Echo(), transport.output()]))
            await PipelineRunner().run(task)


        async with VoiceServer(bot, port=8765) as server:
            await server.serve_forever()

    When the caller leaves, `on_client_disconnected` is announced, and then the pipeline ends. When
    the bot returns or fails, the caller is told goodbye. Neither concerns any other session.

    Args:
        bot: `async def bot(transport)`, called once for each caller.
        host: Address to listen on. `"localhost"` is this machine alone, `"0.0.0.0"` all networks.
        port: Port to listen on; 0 picks a free one, which `port` tells once it listens.
        params: What each caller's transport does; None is audio both ways with Silero's voice
            activity detection.
        limits: How many callers, and for how long; None is `Limits()`.
        prepare: Awaited before callers are let in, when the port is bound: to load models.
        clock: The time.
        reuse_port: Whether other processes may listen on the port too (`SO_REUSEPORT`).
        places: The places for callers, where they are shared with other processes.
        shared_port: A port that somebody else has opened, instead of `host` and `port`.

    Attributes:
        limits: How many callers, and for how long.

    Raises:
        ConfigurationError: An argument is not what it should be.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        host: str = "localhost",
        port: int = 8765,
        params: WebsocketServerParams | None = None,
        limits: Limits | None = None,
        prepare: Callable[[], Awaitable[object]] | None = None,
        clock: Clock | None = None,
        reuse_port: bool = False,
        places: Places | None = None,
        shared_port: SharedPort | None = None,
    ) -> None:
        self._params = params if params is not None else default_params()
        self.limits = limits if limits is not None else Limits()
        check_server_arguments(bot, port, self._params, self.limits)
        self._prepare = prepare
        self._clock = clock or MonotonicClock()
        self._fellows = shared_port.fellows if shared_port else None
        self._registry = SessionRegistry(
            bot,
            params=self._params,
            limits=self.limits,
            places=places or LocalPlaces(self.limits),
            clock=self._clock,
            fellows=self._fellows,
        )
        self._listener = Listener(
            host=host,
            port=port,
            on_connection=self._registry.take,
            admit=Gate(self._params, self._registry.why_full, clock=self._clock).admit,
            http_app=self._make_http_app,
            clock=self._clock,
            settings=listener_settings(
                self._params,
                max_connections=self.limits.max_sessions + SPARE_CONNECTIONS,
                max_pending_handshakes=self.limits.max_pending_handshakes,
                max_pending_handshakes_per_ip=self.limits.max_pending_handshakes_per_ip,
                handshake_timeout_secs=self.limits.handshake_timeout_secs,
                reuse_port=reuse_port,
            ),
            sockets=shared_port.sockets if shared_port else (),
            accept_delay_secs=shared_port.accept_delay_secs if shared_port else None,
            hand_over=self._registry.returns.hand_over if self._fellows else None,
        )
        self._is_queue_kept = shared_port is not None and shared_port.is_queue_kept
        self._stopped = asyncio.Event()
        self._has_started = False
        self._is_retiring = False

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are not over."""
        return self._registry.sessions

    @property
    def stats(self) -> TransportStats:
        """What has been counted in all sessions, those that are over and those that are not."""
        return self._registry.stats

    @property
    def session_counts(self) -> SessionCounts:
        """How many sessions there have been, and why those have ended that are over."""
        return self._registry.counts

    @property
    def store_counts(self) -> StoreCounts:
        """What has become of the records of conversations; all zero where none is kept."""
        return self._registry.returns.store_counts

    async def start(self) -> None:
        """Listen, and let callers in.

        Raises:
            AddressInUseError: Somebody else listens on the port.
            ConfigurationError: The host is no address of this machine.
            RuntimeError: It has been started, or stopped, before.
        """
        if self._has_started or self._registry.is_closed:
            raise RuntimeError("a VoiceServer is started once; make a new one")
        self._has_started = True
        self._listener.bind()
        try:
            if self._params.vad_analyzer is not None:
                self._params.vad_analyzer.preload(self._params.audio_in_sample_rate)
            if self._prepare is not None:
                await self._prepare()
            if not self._registry.is_closed:
                await self._listener.start()
                if self._fellows is not None:
                    self._fellows.listen(self._listener.take)
        except BaseException:
            await self._listener.close()
            raise

    async def stop(self, *, drain_secs: float = 0.0) -> None:
        """Let nobody in any more, end the sessions, and return when they are over.

        While sessions drain, newcomers and `/readyz` are answered with 503, unless the port is
        shared with somebody who will answer them. A bot that swallows its cancellation again and
        again is left behind after 15 seconds.

        Args:
            drain_secs: How long the turns under way may take: a caller's question is answered,
                and bots finish what they are saying. A second call with 0 ends them at once.
        """
        self._registry.close()
        if self._is_queue_kept:
            self._listener.leave_port()
        if drain_secs > 0:
            self._registry.go_away(within_secs=drain_secs)
            await self._registry.wait(drain_secs)
        if self._fellows is not None:
            self._fellows.close()
        await self._listener.close()
        await self._registry.returns.settle()
        await self._registry.end(
            EndReason.DRAIN_TIME_UP if drain_secs > 0 else EndReason.SERVER_STOPPED
        )
        self._stopped.set()

    async def retire(self, *, within_secs: float | None = None) -> None:
        """Leave the port to others, and return when the last session has ended by itself.

        Callers whom this server has accepted already are served; `stop` comes afterwards.

        Args:
            within_secs: Return then even if there are sessions; None is never.
        """
        self._is_retiring = True
        await self._listener.retire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_secs):
                await self._registry.wait_until_empty()

    async def serve_forever(self) -> None:
        """Return when the server has been stopped."""
        await self._stopped.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _make_http_app(self) -> "ASGIApp":
        return make_http_app(
            self._params,
            why_busy=self._why_busy,
            is_on_loopback=lambda: self._listener.is_on_loopback,
            clock=self._clock,
        )

    def _why_busy(self) -> str | None:
        if self._registry.is_closed or self._is_retiring:
            return GOING_AWAY[1]
        return FULL if self._registry.is_full else None


def default_params() -> WebsocketServerParams:
    """Return what a talking bot needs: audio both ways, and Silero's voice activity detection."""
    return WebsocketServerParams(
        audio_in_enabled=True, audio_out_enabled=True, vad_analyzer=SileroVADAnalyzer()
    )


def check_server_arguments(bot: object, port: object, params: object, limits: object) -> None:
    """Find what would fail later, when a caller comes.

    Raises:
        ConfigurationError: The message says what is wrong, and what would be right.
    """
    check_arguments(port, params)
    if not isinstance(limits, Limits):
        raise ConfigurationError(f"limits is {type(limits).__name__}; expected Limits(...)")
    if not is_coroutine_function(bot):
        raise ConfigurationError(
            f"bot is {bot!r}; expected an `async def` function that takes the transport"
        )
    if isinstance(params, WebsocketServerParams) and "on_second_client" in params.model_fields_set:
        raise ConfigurationError(
            "on_second_client is for WebsocketServerTransport, which has one caller at a time; "
            "a VoiceServer has Limits(max_sessions=...)"
        )
