"""Clients who come back: to their session, to the process that has it, or to what is kept of it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from voicewire.clock import Clock
from voicewire.records import SessionRecord
from voicewire.records.guarded import GuardedStore, StoreBusyError, StoreCounts
from voicewire.sessions.fellows import Fellows
from voicewire.sessions.places import FULL, PlaceId, Places
from voicewire.sessions.session import GOING_AWAY
from voicewire.transports import WebsocketServerParams
from voicewire.transports.caller_connection import CallerConnection, CountedConnection
from voicewire.transports.handshake import HandshakeRequest
from voicewire.transports.identity import subject_of
from voicewire.transports.lasting import CLOSE_NOT_RESUMABLE
from voicewire.transports.outbound import CLOSE_TRY_AGAIN_LATER
from voicewire.transports.resumable import ResumableConnection, ResumeTokens, make_token

logger = logging.getLogger(__name__)

RESUME = "resume"
"""What the query has of a client that comes back: its token."""

NO_SUCH_SESSION = (CLOSE_NOT_RESUMABLE, "there is no such session; connect anew")

MAX_COUNT_DIGITS = 12


@dataclass(frozen=True)
class Kept:
    """A conversation that has been taken out of the store.

    Attributes:
        record: It.
        token: By what token.
        content: As it stood there.
    """

    record: SessionRecord
    token: str
    content: bytes


Refusal = tuple[int, str]
"""Code and words of a goodbye."""

Begin = Callable[[CountedConnection, PlaceId, Kept], object]
"""Begins a session that goes on with a conversation, in a place that has been taken for it."""


class Returns:
    """Finds for a client that comes back what it has left.

    Args:
        params: What the transports do.
        begin: For a conversation whose session is no more.
        places: Where a new session has to have one.
        clock: The time.
        fellows: The other processes, where there are any.

    Attributes:
        tokens: Of the sessions of this process.
        store: Where conversations are kept; None keeps none.
        is_stopping: Whether the server is: nothing is taken out of the store any more.
    """

    def __init__(
        self,
        params: WebsocketServerParams,
        begin: Begin,
        places: Places,
        *,
        clock: Clock,
        fellows: Fellows | None,
    ) -> None:
        store = params.session_store
        self.tokens = ResumeTokens(fellows.make_token if fellows else make_token)
        self.store = None if store is None else GuardedStore(store)
        self.is_stopping = False
        self._params = params
        self._begin = begin
        self._places = places
        self._clock = clock
        self._fellows = fellows
        self._lookups: set[asyncio.Task[None]] = set()
        self._leaving: dict[asyncio.Task[None], CountedConnection] = {}

    @property
    def store_counts(self) -> StoreCounts:
        """What has become of the records of conversations; all zero where none is kept."""
        return StoreCounts() if self.store is None else replace(self.store.counts)

    def make_resumable(self, connection: CountedConnection, kept: Kept | None) -> CallerConnection:
        """Return what the session gets that may outlive its connection, if it may."""
        if not self._can_resume(connection):
            return connection
        return ResumableConnection(
            connection,
            self.tokens,
            clock=self._clock,
            window_secs=self._params.resume_window_secs,
            token=kept.token if kept else "",
        )

    def hand_over(self, request: HandshakeRequest, fd: int, said: bytes) -> bool:
        """Give a client that comes back to the process that it left, if that is another."""
        token = request.query.get(RESUME)
        return (
            token is not None
            and self._fellows is not None
            and self.tokens.find(token) is None
            and self._fellows.hand_over(token, fd, said)
        )

    def has_place(self, token: str) -> bool:
        """Return whether who shows a token needs no place: a session here has one already."""
        return self.tokens.find(token) is not None

    def take(self, connection: CountedConnection) -> None:
        """Let a client go on that has come back here."""
        token = connection.query[RESUME]
        session = self.tokens.find(token)
        if session is None and self.store is not None and self._can_resume(connection):
            self._look_up(connection, token, self.store)
            return
        num_received = connection.query.get("received", "")
        if session is None or not num_received.isdecimal() or len(num_received) > MAX_COUNT_DIGITS:
            self._turn_away(connection, NO_SUCH_SESSION)
            return
        refusal = session.go_on(connection, token, int(num_received))
        if refusal is not None:
            self._turn_away(connection, refusal)

    async def settle(self) -> None:
        """Return when nobody is being looked up any more, and who was turned away has gone."""
        await asyncio.gather(*self._lookups)
        for connection in self._leaving.values():
            connection.abort()
        await asyncio.gather(*self._leaving)

    def _turn_away(self, connection: CountedConnection, goodbye: Refusal) -> None:
        """Say goodbye to somebody for whom there is no session.

        They have a place until they are gone, which may take as long as they like to answer: so
        strangers are no more at a time than callers may be.
        """
        ip = connection.remote_address[0]
        place = self._places.take(ip)
        connection.close(*goodbye)
        if place is None:
            connection.abort()
            return
        leaving = asyncio.get_running_loop().create_task(connection.wait_closed())
        self._leaving[leaving] = connection

        def has_left(leaving: asyncio.Task[None]) -> None:
            del self._leaving[leaving]
            self._places.give_back(place, ip)

        leaving.add_done_callback(has_left)

    def _can_resume(self, connection: CountedConnection) -> bool:
        window_secs = self._params.resume_window_secs
        return window_secs > 0 and connection.path not in self._params.dialects

    def _look_up(self, connection: CountedConnection, token: str, store: GuardedStore) -> None:
        if self.is_stopping:
            self._turn_away(connection, GOING_AWAY)  # It is there for the next one.
            return
        lookup = asyncio.get_running_loop().create_task(
            self._take_up(connection, token, store), name=f"lookup {connection.id}"
        )
        self._lookups.add(lookup)
        lookup.add_done_callback(self._lookups.discard)

    async def _take_up(
        self, connection: CountedConnection, token: str, store: GuardedStore
    ) -> None:
        """Go on with the conversation of a session that is over, if it has been kept."""
        try:
            content = await store.take(token)
        except StoreBusyError:
            self._turn_away(connection, (CLOSE_TRY_AGAIN_LATER, "too many come back at once"))
            return
        record = None if content is None else store.from_json(content)
        if content is None or record is None:
            self._turn_away(connection, NO_SUCH_SESSION)
            return
        place = self._place_for(connection, record)
        if isinstance(place, tuple):
            await store.put(token, content, expires_secs=self._params.resume_window_secs)
            self._turn_away(connection, place)
            return
        store.counts.taken_up += 1
        logger.info("connection %s: goes on with session %s", connection.id, record.session_id)
        self._begin(connection, place, Kept(record, token, content))

    def _place_for(self, connection: CountedConnection, record: SessionRecord) -> PlaceId | Refusal:
        """Return a place, or the code and words of the refusal."""
        if record.subject != subject_of(connection.identity):
            return CLOSE_NOT_RESUMABLE, "the session is somebody else's"
        if self.is_stopping:
            return GOING_AWAY
        place = self._places.take(connection.remote_address[0])
        return (CLOSE_TRY_AGAIN_LATER, FULL) if place is None else place
