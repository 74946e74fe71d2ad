"""A pipeline's transport over WebSocket connections, whoever accepts them."""

import asyncio
import copy
import logging
import time
from abc import abstractmethod
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, ClassVar

from voicewire.audio.opus import SAMPLE_RATES as OPUS_RATES
from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.frames import ClientConnectedFrame, OutputTransportMessageUrgentFrame
from voicewire.openai_realtime import RealtimeVisit
from voicewire.pipeline import ProcessorSetup
from voicewire.pipeline.owner import TaskOwner, wait_at_most
from voicewire.rtvi.messages import ClientReady, Json, PlayoutData, message
from voicewire.rtvi.visit import RTVIVisit
from voicewire.serializers import Call, FrameSerializer, ProtobufFrameSerializer
from voicewire.serializers.openai_realtime import OpenAIRealtimeSerializer
from voicewire.serializers.protobuf_opus import MESSAGE_SECS as OPUS_MESSAGE_SECS
from voicewire.transports.base import BaseTransport
from voicewire.transports.caller import CallerSession
from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.client import ClientConnection
from voicewire.transports.echo_guard import EchoGuard
from voicewire.transports.hang_up import hang_up
from voicewire.transports.inbound import Inbound, Visit
from voicewire.transports.introduction import Introduction
from voicewire.transports.outbound import Outbound
from voicewire.transports.params import WebsocketParams, WebsocketServerParams
from voicewire.transports.player import AUDIO_WORKLET, PIPECAT_JS, PLAIN, Player
from voicewire.transports.playout import PlayoutReport
from voicewire.transports.resumable import ResumableConnection
from voicewire.transports.settings import ConnectionSettings, ListenerSettings
from voicewire.transports.teller import Teller

logger = logging.getLogger(__name__)

HANDLERS_SECS = 5.0
"""How long a caller's handlers may be at work when the caller has left, before they are cancelled:
what follows, be it the next caller or the end of the session, waits for them."""

PIPECAT_JS_LIBRARIES = ("@pipecat-ai/client-js", "")
"""What its JavaScript clients say that they are; before 1.0 they did not say."""

GOODBYE_SECS = 2.0
"""How long a caller may take over the closing handshake when the pipeline is over."""


class WebsocketTransport(BaseTransport):
    """Brings one caller at a time to a pipeline.

    It knows what a caller's visit is, from `on_client_connected` to `on_client_disconnected`.
    Subclasses know where the connections come from.

    | Event | Arguments | When |
    |---|---|---|
    | `on_websocket_ready` | transport | callers are let in from now on |
    | `on_client_connected` | transport, client | a caller has come |
    | `on_client_disconnected` | transport, client | it has left; before the next one is announced |
    | `on_session_timeout` | transport, client | it has sent nothing for `session_timeout` seconds |

    Args:
        params: What the transport does; `check_serializer` has found no fault with it.
        input_name: Name of the input processor, for logs.
        output_name: Name of the output processor, for logs.
        clock: The time.
    """

    arrival_event: ClassVar = "on_client_connected"
    departure_event: ClassVar = "on_client_disconnected"
    further_events: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        params: WebsocketParams,
        input_name: str | None = None,
        output_name: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            self.arrival_event,
            self.departure_event,
            "on_session_timeout",
            "on_websocket_ready",
            *self.further_events,
            params=params,
            input_name=input_name,
            output_name=output_name,
        )
        self._params = params
        self._clock = clock or MonotonicClock()
        self._setup: ProcessorSetup | None = None
        self._session: CallerSession | None = None
        self._introduction: Introduction | None = None
        self._visits: set[asyncio.Task[None]] = set()
        self._has_begun = False
        self._is_shut = False

    @property
    def client(self) -> ClientConnection | None:
        """The caller, None while there is none."""
        return self._session.client if self._session else None

    @property
    def dialect(self) -> str | None:
        """What the caller speaks, such as `"protobuf"` or `"twilio"`; None while there is none."""
        return self._introduction.serializer.dialect if self._introduction else None

    @property
    def call(self) -> Call | None:
        """The telephone call, as the provider tells of it; None where there is none."""
        return self._introduction.serializer.call if self._introduction else None

    async def open(self, setup: ProcessorSetup) -> None:
        if self._is_shut:
            raise RuntimeError("this transport has been in a pipeline that is over; make a new one")
        if self._setup is None:
            self._setup = setup
            self.let_watch(setup.hooks)
            self._get_ready()

    def begin(self) -> None:
        if not self._has_begun and self._setup is not None:
            self._has_begun = True
            self._setup.tasks.create(self._let_in(), name="websocket server")

    async def shut(self) -> None:
        if self._is_shut:
            return
        self._is_shut = True
        self.end(1001, "the server ends the conversation")
        await self._stop_accepting()
        try:
            if self._visits:
                await asyncio.wait(self._visits, timeout=GOODBYE_SECS)
        finally:  # Whoever has been told of a caller's coming is told of their going, too.
            if self._visits:
                self._abort_callers()
                await asyncio.wait(self._visits, timeout=HANDLERS_SECS)
            if not self._visits:
                self.let_go()

    def let_go(self) -> None:
        """Hold nothing that holds this transport: it is in no pipeline, and will be in none."""
        self.forget_handlers()
        self.rtvi.forget_handlers()
        self._input = self._output = None

    @abstractmethod
    def _get_ready(self) -> None:
        """Do what has to be done before the pipeline starts."""

    @abstractmethod
    async def _let_in(self) -> None:
        """Let callers in: the pipeline has started."""

    @abstractmethod
    async def _stop_accepting(self) -> None:
        """Let nobody in any more."""

    @abstractmethod
    def _abort_callers(self) -> None:
        """Drop the connections of those who have not said goodbye in time."""

    def _say_goodbye(self, connection: CallerConnection, code: int, reason: str) -> None:
        """Close a connection; a wire that has a message for it gets time to answer."""
        serializer = self._introduction.serializer if self._introduction else None
        goodbye = None if serializer is None else serializer.goodbye()
        if goodbye is None or not connection.is_open:
            connection.close(code, reason)
        else:
            connection.send(goodbye)
            self._clock.call_later(GOODBYE_SECS, lambda: connection.close(code, reason))

    def _start_visit(self, visit: Coroutine[Any, Any, None], connection: CallerConnection) -> None:
        assert self._setup is not None  # noqa: S101 - a client can only come after `open`
        task = self._setup.tasks.create(visit, name=f"client {connection.id}")
        self._visits.add(task)
        task.add_done_callback(self._visit_is_over)

    def _visit_is_over(self, visit: asyncio.Task[None]) -> None:
        self._visits.discard(visit)
        if self._is_shut and not self._visits:
            self.let_go()

    def _introduce(self, connection: CallerConnection) -> Introduction:
        """Hear a caller by what they have asked for: a path, or a subprotocol."""
        # Its own copy: what a serializer remembers of its peer is not for the next one.
        asked_for = [connection.subprotocol] if connection.subprotocol else []
        serializer = copy.deepcopy(self._params.serializer_for(connection.path, asked_for))
        return Introduction(connection, serializer, clock=self._clock, stats=self.stats)

    async def _visit(
        self, connection: CallerConnection, client: ClientConnection, introduction: Introduction
    ) -> None:
        """See one caller through who has been introduced, from hello to goodbye."""
        self._introduction = introduction
        session = self._session = self._make_session(connection, client, introduction.serializer)
        self.outbound = session.outbound
        self.stats.clients += 1
        try:
            self.input().push(ClientConnectedFrame())
            introduction.begin(session)
            await self._tell(self.arrival_event, session)
            await session.wait_closed()
        finally:
            self._session = self.outbound = None
            self.rtvi.begin(None)
            connection.abort()
            self.input().caller_left()
            request = introduction.serializer.hang_up_request(now=time.time())
            if request is not None and not introduction.serializer.is_over:
                await hang_up(request)
        await self._tell(self.departure_event, session)

    async def _tell(self, event_name: str, session: CallerSession) -> None:
        """Call the handlers of an event; one that hangs is cancelled when the caller has left."""
        assert self._setup is not None  # noqa: S101 - a client can only come after `open`
        client = session.client
        tasks = self._setup.tasks
        handlers = tasks.create(self.emit(event_name, self, client), name=f"{event_name} handlers")
        closed = tasks.create(session.wait_closed(), name=f"client {client.id} closed")
        await asyncio.wait((handlers, closed), return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
        if not await wait_at_most(HANDLERS_SECS, (handlers,), clock=self._clock):
            logger.warning(
                "client %s: a handler of %s was cancelled, %g s after the client had left",
                client.id,
                event_name,
                HANDLERS_SECS,
            )

    def _make_session(
        self, connection: CallerConnection, client: ClientConnection, serializer: FrameSerializer
    ) -> CallerSession:
        assert self._setup is not None  # noqa: S101 - a client can only come after `open`
        params = self._params
        tasks = self._setup.tasks
        on_vad_event = self.input().on_vad_event
        echo_guard = EchoGuard(on_vad_event, self._clock) if params.echo_guard else None
        outbound = Outbound(
            params=params,
            serializer=serializer,
            sample_rate=(
                serializer.sample_rate
                or params.audio_out_sample_rate
                or self._setup.start.audio_out_sample_rate
            ),
            wire=connection,
            clock=self._clock,
            stats=self.stats,
            events=self.output(),
            echo_guard=echo_guard,
        )
        visit: Visit | None
        if isinstance(serializer, OpenAIRealtimeSerializer):
            visit = self._make_realtime_visit(connection, serializer, outbound)
        elif serializer.told_of:
            visit = Teller(serializer, send=connection.send, hooks=self._setup.hooks)
        else:
            visit = rtvi = self._make_rtvi_visit(connection, serializer, outbound)
            self.rtvi.begin(rtvi)
        return CallerSession(
            client=client,
            inbound=Inbound(
                params=params,
                serializer=serializer,
                clock=self._clock,
                stats=self.stats,
                push=self.input().push,
                on_vad_event=echo_guard.on_vad_event if echo_guard else on_vad_event,
                on_mark=outbound.played_mark,
                on_playout=outbound.played,
                reply=connection.send,
                visit=visit,
                echo_guard=echo_guard,
            ),
            outbound=outbound,
            clock=self._clock,
            session_timeout_secs=params.session_timeout,
            on_timeout=lambda: self._announce_timeout(tasks, client),
            max_ahead_secs=params.audio_in_max_ahead_secs,
            rest=lambda secs: self._let_rest(connection, secs),
        )

    def _make_rtvi_visit(
        self, connection: CallerConnection, serializer: FrameSerializer, outbound: Outbound
    ) -> RTVIVisit | None:
        params = self._params
        if params.rtvi is None or not serializer.carries_rtvi:
            return None
        assert self._setup is not None  # noqa: S101 - as above

        rate = self._setup.start.audio_out_sample_rate

        def send(content: Json) -> None:
            outbound.send_now(OutputTransportMessageUrgentFrame(content))

        def flush(stream_id: int) -> None:
            send(message("vw-flush", {"stream_id": stream_id}))

        def invitation(token: str, num_received: int) -> bytes | str:
            content: Json = {"token": token, "received": num_received}
            if isinstance(params, WebsocketServerParams) and params.session_store is not None:
                content["kept"] = True
            frame = OutputTransportMessageUrgentFrame(message("vw-resume", content))
            encoded = serializer.serialize(frame)
            assert encoded is not None  # noqa: S101 - it carries RTVI
            return encoded

        def client_is_ready(hello: ClientReady) -> None:
            serializer.leave_words_to_rtvi()
            extension, session = hello.voicewire, self._session
            assert session is not None  # noqa: S101 - it is the client's own
            if extension.resume and isinstance(connection, ResumableConnection):
                window_secs = connection.window_secs

                def hold() -> None:
                    outbound.hold()
                    session.wait_for_late_audio(window_secs)

                connection.let_resume(invitation, on_held=hold)
                if not extension.program:
                    session.wait_for_audio(window_secs)
            if extension.flush:
                opus = _opus_player(serializer, params, rate) if extension.opus else None
                if opus is not None:
                    send(message("vw-codec", {"codec": "opus"}))
                outbound.play_on(replace(opus or PLAIN, flush=flush))
            elif extension.program:
                outbound.play_on(PLAIN)
            elif hello.library in PIPECAT_JS_LIBRARIES:
                outbound.play_on(PIPECAT_JS)
            else:
                outbound.play_on(AUDIO_WORKLET)

        def client_has_played(said: PlayoutData) -> None:
            outbound.played(
                PlayoutReport(said.stream_id, said.played_ms / 1000, said.buffered_ms / 1000)
            )

        def client_has_received(num_received: int) -> int:
            if not isinstance(connection, ResumableConnection):
                return 0
            connection.acknowledge(num_received)
            return connection.num_received

        return RTVIVisit(
            self.rtvi,
            params=params.rtvi,
            push=self.input().push,
            send=send,
            hooks=self._setup.hooks,
            tasks=self._setup.tasks,
            output=self.output(),
            on_ready=client_is_ready,
            on_playout=client_has_played,
            acknowledge=client_has_received,
        )

    def _make_realtime_visit(
        self, connection: CallerConnection, serializer: OpenAIRealtimeSerializer, outbound: Outbound
    ) -> RealtimeVisit:
        assert self._setup is not None  # noqa: S101 - as above
        visit = RealtimeVisit(
            serializer,
            model=connection.query.get("model", "voicewire"),
            send=outbound.send_now,
            hooks=self._setup.hooks,
            output=self.output(),
            on_rate=lambda rate: outbound.play_on(Player(sample_rate=rate, flush=flushed)),
            on_played=lambda stream_id, secs: outbound.played(PlayoutReport(stream_id, secs, 0.0)),
        )

        def flushed(stream_id: int) -> None:
            visit.flushed(stream_id)

        outbound.play_on(Player(flush=flushed))
        return visit

    def _let_rest(self, connection: CallerConnection, secs: float) -> None:
        self.stats.rests += 1
        connection.rest(secs)

    def _announce_timeout(self, tasks: TaskOwner, client: ClientConnection) -> None:
        tasks.create(self.emit("on_session_timeout", self, client), name="session timeout")


def _opus_player(
    serializer: FrameSerializer, params: WebsocketParams, pipeline_rate: int
) -> Player | None:
    """Return what a client's player gets that has asked for Opus; None where we have none."""
    rate = params.audio_out_sample_rate
    if rate is None:
        rate = pipeline_rate if pipeline_rate in OPUS_RATES else max(OPUS_RATES)
    if not isinstance(serializer, ProtobufFrameSerializer) or params.audio_out_channels != 1:
        return None
    try:
        serializer.use_opus(rate)
    except (ConfigurationError, MissingExtraError) as exc:
        logger.info("a client that asked for Opus gets PCM: %s", exc)
        return None
    return Player(sample_rate=rate, message_secs=OPUS_MESSAGE_SECS)


def connection_settings(params: WebsocketParams) -> ConnectionSettings:
    """Return what `params` say about a connection."""
    return ConnectionSettings(
        max_message_bytes=params.max_message_bytes,
        ping_interval_secs=params.ping_interval_secs,
        ping_timeout_secs=params.ping_timeout_secs,
    )


def listener_settings(params: WebsocketServerParams, **others: Any) -> ListenerSettings:
    """Return what `params`, and other settings, say about the port and its connections."""
    return ListenerSettings(
        allowed_origins=params.allowed_origins,
        trusted_proxies=params.trusted_proxies,
        tls=params.tls,
        subprotocols=tuple(
            each.subprotocol for each in params.dialects.values() if each.subprotocol
        ),
        tcp_congestion_control=params.tcp_congestion_control,
        permessage_deflate=params.permessage_deflate,
        connection=connection_settings(params),
        **others,
    )


MAX_PORT = 65_535


def check_arguments(port: object, params: object) -> None:
    """Find what would fail later, when a pipeline or a caller comes.

    Raises:
        ConfigurationError: `port` is no port, or `params` are no parameters of a WebSocket server.
    """
    if not isinstance(params, WebsocketServerParams):
        raise ConfigurationError(
            f"params is {type(params).__name__}; expected WebsocketServerParams(...)"
        )
    if not isinstance(port, int) or not 0 <= port <= MAX_PORT:
        raise ConfigurationError(f"port is {port!r}; expected a number of 0..{MAX_PORT}")
    for serializer in (params.serializer, *params.dialects.values()):
        check_serializer(serializer)
    for path in params.dialects:
        if not path.startswith("/"):
            raise ConfigurationError(f"dialects has {path!r}; expected a path such as '/twilio'")


def check_serializer(serializer: FrameSerializer) -> None:
    """Find out whether each connection can have a serializer of its own.

    Raises:
        ConfigurationError: This one cannot be copied.
    """
    try:
        copy.deepcopy(serializer)
    except Exception as exc:
        raise ConfigurationError(
            f"{type(serializer).__name__} cannot be copied, and each client needs its own: {exc}"
        ) from exc
