"""Many callers on one port, each with a bot of their own."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError
from voicewire.records.guarded import StoreCounts
from voicewire.sessions.ends import EndReason, SessionCounts
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import LocalPlaces, PlaceId, Places
from voicewire.sessions.returns import RESUME, Kept, Returns
from voicewire.sessions.session import GOING_AWAY, Bot, Session
from voicewire.sessions.shared_port import SharedPort
from voicewire.transports import TransportStats, WebsocketServerParams
from voicewire.transports.connection import Connection
from voicewire.transports.gate import RETRY_AFTER_SECS, Gate, is_coroutine_function
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.http import make_http_app
from voicewire.transports.listener import Listener, Listening
from voicewire.transports.outbound import CLOSE_TRY_AGAIN_LATER
from voicewire.transports.websocket import check_arguments, listener_settings
from voicewire.vad import SileroVADAnalyzer

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

SPARE_CONNECTIONS = 256
"""Connections beyond `max_sessions`: of sessions that are over, in their closing handshake."""

CANCEL_SECS = 15.0
"""How long sessions may take to end when they have been told to end at once."""


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
        self._bot = bot
        self._prepare = prepare
        self._clock = clock or MonotonicClock()
        self._places = places or LocalPlaces(self.limits)
        fellows = self._fellows = shared_port.fellows if shared_port else None
        self._returns = Returns(
            self._params, self._begin, self._places, clock=self._clock, fellows=fellows
        )
        self._listener = Listener(
            host=host,
            port=port,
            on_connection=self._on_connection,
            admit=Gate(self._params, self._why_full, clock=self._clock).admit,
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
            hand_over=self._returns.hand_over if fellows else None,
        )
        self._is_queue_kept = shared_port is not None and shared_port.is_queue_kept
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._stats_of_the_past = TransportStats()
        self._num_started = 0
        self._ended: Counter[EndReason] = Counter()
        self._stopped = asyncio.Event()
        self._has_started = False
        self._is_stopping = False
        self._is_retiring = False

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are not over."""
        return tuple(self._sessions)

    @property
    def stats(self) -> TransportStats:
        """What has been counted in all sessions, those that are over and those that are not."""
        total = TransportStats()
        total.add(self._stats_of_the_past)
        for session in self._sessions:
            total.add(session.stats)
        return total

    @property
    def session_counts(self) -> SessionCounts:
        """How many sessions there have been, and why those have ended that are over."""
        return SessionCounts(self._num_started, len(self._sessions), self._ended.copy())

    @property
    def store_counts(self) -> StoreCounts:
        """What has become of the records of conversations; all zero where none is kept."""
        return self._returns.store_counts

    async def start(self) -> None:
        """Listen, and let callers in.

        Raises:
            AddressInUseError: Somebody else listens on the port.
            ConfigurationError: The host is no address of this machine.
            RuntimeError: It has been started, or stopped, before.
        """
        if self._has_started or self._is_stopping:
            raise RuntimeError("a VoiceServer is started once; make a new one")
        self._has_started = True
        self._listener.bind()
        try:
            if self._params.vad_analyzer is not None:
                self._params.vad_analyzer.preload(self._params.audio_in_sample_rate)
            if self._prepare is not None:
                await self._prepare()
            if not self._is_stopping:
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
        self._is_stopping = self._returns.is_stopping = True
        if self._is_queue_kept:
            self._listener.leave_port()
        if drain_secs > 0:
            for session in self.sessions:
                session.go_away(within_secs=drain_secs)
            await self._wait_for_sessions(drain_secs)
        if self._fellows is not None:
            self._fellows.close()
        await self._listener.close()
        await self._returns.settle()
        for session in self.sessions:
            session.cancel(EndReason.DRAIN_TIME_UP if drain_secs > 0 else EndReason.SERVER_STOPPED)
        await self._wait_for_sessions(CANCEL_SECS)
        for session, task in tuple(self._sessions.items()):
            logger.error("session %s: its bot cannot be ended, and is left behind", session.id)
            task.cancel()
        if self._returns.store is not None:
            await self._returns.store.close()
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
                while self._sessions:
                    await asyncio.wait(self._sessions.values())

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

    async def _wait_for_sessions(self, secs: float) -> None:
        if self._sessions:
            await asyncio.wait(self._sessions.values(), timeout=secs)

    def _make_http_app(self) -> "ASGIApp":
        return make_http_app(
            self._params,
            why_busy=self._why_busy,
            is_on_loopback=lambda: self._listener.is_on_loopback,
            clock=self._clock,
        )

    def _why_full(self, request: HandshakeRequest) -> Rejection | None:
        if RESUME in request.query:
            return None  # A session has its place already.
        if self._is_stopping:
            return Rejection(503, GOING_AWAY[1], {"Retry-After": str(RETRY_AFTER_SECS)})
        return refusal_of(self._places, request.remote_address[0])

    def _why_busy(self) -> str | None:
        if self._is_stopping or self._is_retiring:
            return GOING_AWAY[1]
        return "all places are taken" if self._places.are_taken else None

    def _on_connection(self, connection: Connection) -> None:
        ip = connection.remote_address[0]
        if RESUME in connection.query:
            self._returns.take(connection)
            return
        if self._is_stopping:
            connection.close(*GOING_AWAY)
            return
        place = self._places.take(ip)
        if place is None:  # Another process has just given the last one away.
            connection.close(CLOSE_TRY_AGAIN_LATER, "all places are taken")
            return
        self._begin(connection, place)

    def _begin(self, connection: Connection, place: PlaceId, kept: Kept | None = None) -> None:
        ip = connection.remote_address[0]
        session = Session(
            self._returns.make_resumable(connection, kept),
            self._bot,
            params=self._params,
            max_secs=self.limits.max_session_secs,
            clock=self._clock,
            record=kept.record if kept else None,
        )
        if self._returns.store is not None:
            taken = (kept.token, kept.content) if kept else None
            session.keep_in(self._returns.store, taken=taken)
        task = asyncio.get_running_loop().create_task(session.run(), name=f"session {session.id}")
        self._sessions[session] = task
        self._num_started += 1
        task.add_done_callback(lambda task: self._session_is_over(session, task, place, ip))

    def _session_is_over(
        self, session: Session, task: asyncio.Task[None], place: PlaceId, ip: str
    ) -> None:
        self._places.give_back(place, ip)
        del self._sessions[session]
        self._ended[session.end_reason or EndReason.SERVER_STOPPED] += 1
        self._stats_of_the_past.add(session.stats)
        if not task.cancelled() and task.exception() is not None:
            logger.error("session %s failed", session.id, exc_info=task.exception())


def refusal_of(places: Places, ip: str) -> Rejection | None:
    """Return why there is no place for a caller; None where there is one."""
    limit = places.refusal(ip)
    if limit is None:
        return None
    retry_after = {"Retry-After": str(RETRY_AFTER_SECS)}
    if limit == "ip":
        return Rejection(429, "too many callers from your address", retry_after)
    return Rejection(503, "all places are taken", retry_after)


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
