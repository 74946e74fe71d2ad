"""The sessions of one process: those that there are, and what has been of the others."""

import asyncio
import logging
from collections import Counter

from voicewire.clock import Clock
from voicewire.sessions.ends import EndReason, SessionCounts
from voicewire.sessions.fellows import Fellows
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import FULL, PlaceId, Places
from voicewire.sessions.returns import RESUME, Kept, Returns
from voicewire.sessions.session import GOING_AWAY, Bot, Session
from voicewire.transports import TransportStats, WebsocketServerParams
from voicewire.transports.caller_connection import CountedConnection
from voicewire.transports.handshake import HandshakeRequest, Rejection, try_later
from voicewire.transports.outbound import CLOSE_TRY_AGAIN_LATER

logger = logging.getLogger(__name__)

CANCEL_SECS = 15.0
"""How long sessions may take to end when they have been told to end at once."""


class SessionRegistry:
    """Gives each caller a session of their own, as long as there are places.

    Args:
        bot: Called once for each.
        params: What their transports do.
        limits: How long a session may last.
        places: How many there may be.
        clock: The time.
        fellows: The other processes on the same port, where there are any.

    Attributes:
        returns: Finds for clients that come back what they have left.
        is_closed: Whether nobody gets a session any more.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        params: WebsocketServerParams,
        limits: Limits,
        places: Places,
        clock: Clock,
        fellows: Fellows | None = None,
    ) -> None:
        self.returns = Returns(params, self._begin, places, clock=clock, fellows=fellows)
        self.is_closed = False
        self._bot = bot
        self._params = params
        self._limits = limits
        self._places = places
        self._clock = clock
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._stats_of_the_past = TransportStats()
        self._num_started = 0
        self._ended: Counter[EndReason] = Counter()

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
    def counts(self) -> SessionCounts:
        """How many sessions there have been, and why those have ended that are over."""
        return SessionCounts(self._num_started, len(self._sessions), self._ended.copy())

    @property
    def is_full(self) -> bool:
        return self._places.are_taken

    def why_full(self, request: HandshakeRequest) -> Rejection | None:
        """Return why who asks for it gets no session; None where there is a place."""
        token = request.query.get(RESUME)
        if token is not None and self.returns.has_place(token):
            return None
        if self.is_closed:
            return try_later(GOING_AWAY[1])
        limit = self._places.refusal(request.remote_address[0])
        if limit == "ip":
            return try_later("too many callers from your address", status=429)
        return None if limit is None else try_later(FULL)

    def take(self, connection: CountedConnection) -> None:
        """Begin a session with a caller, or let them go on with theirs.

        Where that cannot be, they are told goodbye.
        """
        if RESUME in connection.query:
            self.returns.take(connection)
            return
        if self.is_closed:
            connection.close(*GOING_AWAY)
            return
        place = self._places.take(connection.remote_address[0])
        if place is None:  # Another process, or caller, has just got the last one.
            connection.close(CLOSE_TRY_AGAIN_LATER, FULL)
            return
        self._begin(connection, place)

    def close(self) -> None:
        """Give nobody a session any more."""
        self.is_closed = self.returns.is_stopping = True

    def go_away(self, *, within_secs: float) -> None:
        """Ask all sessions to end when their turns under way have come to their ends."""
        for session in self.sessions:
            session.go_away(within_secs=within_secs)

    async def end(self, reason: EndReason) -> None:
        """End all sessions now; return when they are over, or left behind as they do not end."""
        for session in self.sessions:
            session.cancel(reason)
        await self.wait(CANCEL_SECS)
        for session, task in tuple(self._sessions.items()):
            logger.error("session %s: its bot cannot be ended, and is left behind", session.id)
            task.cancel()
        if self.returns.store is not None:
            await self.returns.store.close()

    async def wait(self, secs: float) -> None:
        """Return when the sessions that there are now are over, or after so many seconds."""
        if self._sessions:
            await asyncio.wait(self._sessions.values(), timeout=secs)

    async def wait_until_empty(self) -> None:
        """Return when there is no session any more."""
        while self._sessions:
            await asyncio.wait(self._sessions.values())

    def _begin(
        self, connection: CountedConnection, place: PlaceId, kept: Kept | None = None
    ) -> None:
        ip = connection.remote_address[0]
        session = Session(
            self.returns.make_resumable(connection, kept),
            self._bot,
            params=self._params,
            max_secs=self._limits.max_session_secs,
            clock=self._clock,
            record=kept.record if kept else None,
        )
        if self.returns.store is not None:
            taken = (kept.token, kept.content) if kept else None
            session.keep_in(self.returns.store, taken=taken)
        task = asyncio.get_running_loop().create_task(session.run(), name=f"session {session.id}")
        self._sessions[session] = task
        self._num_started += 1
        task.add_done_callback(lambda task: self._is_over(session, task, place, ip))

    def _is_over(self, session: Session, task: asyncio.Task[None], place: PlaceId, ip: str) -> None:
        self._places.give_back(place, ip)
        del self._sessions[session]
        self._ended[session.end_reason or EndReason.SERVER_STOPPED] += 1
        self._stats_of_the_past.add(session.stats)
        if not task.cancelled() and task.exception() is not None:
            logger.error("session %s failed", session.id, exc_info=task.exception())
