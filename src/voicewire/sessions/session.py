"""One caller and the bot that was called for them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from voicewire.clock import Clock, TimerHandle
from voicewire.errors import ConfigurationError
from voicewire.events import confine_exits
from voicewire.pipeline.owner import TaskOwner, wait_at_most
from voicewire.pipeline.signals import leave_signals_alone
from voicewire.records import SessionRecord
from voicewire.records.guarded import GuardedStore
from voicewire.sessions.ends import EndReason, reason_of_close
from voicewire.sessions.keeper import RecordKeeper
from voicewire.transports import ClientConnection, TransportStats, WebsocketServerParams
from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.resumable import ResumableConnection
from voicewire.transports.session import SessionTransport

logger = logging.getLogger(__name__)

Bot = Callable[[Any], Awaitable[None]]
"""Called with the transport of one caller: makes a pipeline between `transport.input()` and
`transport.output()`, runs it, and returns when it has ended."""

CLOSE_TOO_LONG = 4002
"""Close code for a session that has lasted its longest time (4000-4999 are for applications)."""

START_SECS = 60.0
"""How long a bot may take until its pipeline runs. Before that nothing is read of its caller, so
nobody would notice that they have left."""

FINISH_SECS = 10.0
"""How long a bot may be at work when its caller has left, before it is cancelled."""

GOODBYE_SECS = 2.0
"""How long a caller may take over the closing handshake when the bot has returned."""

GOING_AWAY = (1001, "the server is going away")
"""Code and words of the goodbye when the server is about to end."""

KEPT_AFTER = {EndReason.DRAINED, EndReason.DRAIN_TIME_UP, EndReason.SERVER_STOPPED}
"""Ends that are this process's: the conversation may go on in another."""

LOOK_SECS = 0.05
"""How often a session that is to end looks whether the turn under way has come to its end."""


class Session:
    """One caller, their connection and their bot; when it is over, nothing of it is left.

    Whatever the bot does ends this session alone. It is cancelled if its pipeline does not run
    within a minute, or if it has not returned ten seconds after its caller has left.

    Args:
        connection: The caller's.
        bot: Called once, with the transport.
        params: What the transport does.
        max_secs: Longest time until the caller is told goodbye; None is for ever.
        clock: The time.
        record: The conversation, where another process has begun it.

    Attributes:
        transport: What the bot gets.
        started_at: When the caller came, on the clock.
        end_reason: Why it has ended; None while it has not.
    """

    def __init__(
        self,
        connection: CallerConnection,
        bot: Bot,
        *,
        params: WebsocketServerParams,
        max_secs: float | None,
        clock: Clock,
        record: SessionRecord | None = None,
    ) -> None:
        self.transport = SessionTransport(connection, params=params, clock=clock, record=record)
        self.started_at = clock.now()
        self._connection = connection
        self._bot = bot
        self._max_secs = max_secs
        self._clock = clock
        self._bot_task: asyncio.Task[None] | None = None
        self._keeper: RecordKeeper | None = None
        self.end_reason: EndReason | None = None
        self._is_going_away = False
        self._settling: TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.client!r}>"

    @property
    def id(self) -> str:
        """Unique in this process; used in logs."""
        return self._connection.id

    @property
    def client(self) -> ClientConnection:
        """The caller."""
        return self.transport.client

    @property
    def stats(self) -> TransportStats:
        """What has been counted in this session."""
        return self.transport.stats

    def keep_in(self, store: GuardedStore, *, taken: tuple[str, bytes] | None = None) -> None:
        """Keep what the bot remembers; called before `run`.

        Args:
            store: Where.
            taken: By what token the conversation was taken up, and its record.
        """
        connection = self._connection
        if isinstance(connection, ResumableConnection):
            self._keeper = RecordKeeper(
                store, connection, self.transport, clock=self._clock, taken=taken
            )
            if taken is not None:
                self.transport.tell_renewed(connection)

    async def run(self) -> None:
        """Run the bot until it returns, or has been given up after its caller has left."""
        leave_signals_alone()
        confine_exits(self._bot_wants_to_exit)
        timers = [self._clock.call_later(START_SECS, self._check_started)]
        if self._max_secs is not None:
            timers.append(self._clock.call_later(self._max_secs, self._time_is_up))
        try:
            async with TaskOwner() as tasks:
                if not await self.transport.hear_out():
                    return
                bot = self._bot_task = tasks.create(self._run_bot(), name=f"bot {self.id}")
                if self._keeper is not None:
                    tasks.create(self._keeper.run(), name=f"record {self.id}")
                gone = tasks.create(self._connection.wait_closed(), name=f"caller {self.id}")
                await asyncio.wait((bot, gone), return_when=asyncio.FIRST_COMPLETED)
                if bot.done():
                    self._has_ended_by(self._natural_end())
                    goodbye = GOING_AWAY if self._is_going_away else (1000, "the bot has finished")
                    self._connection.close(*goodbye)
                    await wait_at_most(GOODBYE_SECS, (gone,), clock=self._clock)
                elif not await wait_at_most(FINISH_SECS, (bot,), clock=self._clock):
                    logger.warning(
                        "session %s: the bot was cancelled, %g s after its caller had left",
                        self.id,
                        FINISH_SECS,
                    )
        finally:
            for timer in (*timers, self._settling):
                if timer is not None:
                    timer.cancel()
            self._has_ended_by(self._natural_end())
            self._connection.abort()
            if self._keeper is not None:
                await self._keeper.finish(is_kept=self.end_reason in KEPT_AFTER)
            if not self.transport.has_pipeline:
                self.transport.let_go()

    def go_away(self, *, within_secs: float) -> None:
        """End when the turn under way has come to its end; at once where there is no pipeline.

        The caller's question is answered, and what the bot has to say is said. A client that
        understands it is told.

        Args:
            within_secs: When the caller of this will call `cancel`.
        """
        self._is_going_away = True
        if not self.transport.has_pipeline:
            self.cancel(EndReason.DRAINED)
            return
        self.transport.announce_goaway(within_secs=within_secs, farewell=GOING_AWAY)
        self._end_when_settled()

    def cancel(self, reason: EndReason = EndReason.SERVER_STOPPED) -> None:
        """End now."""
        self._has_ended_by(reason if self._connection.is_open else self._natural_end())
        self._connection.close(1001, "the server ends the conversation")
        if self._bot_task is not None:
            self._bot_task.cancel()

    def _end_when_settled(self) -> None:
        self._settling = None
        if self.transport.is_settled:
            self.transport.ask_to_end()
        else:
            self._settling = self._clock.call_later(LOOK_SECS, self._end_when_settled)

    def _has_ended_by(self, reason: EndReason) -> None:
        if self.end_reason is None:
            self.end_reason = reason

    def _natural_end(self) -> EndReason:
        """Return who was the first to end it, the bot or the caller."""
        if not self.transport.has_ended_first and not self._connection.is_open:
            return reason_of_close(*self._connection.end_words)
        return EndReason.DRAINED if self._is_going_away else EndReason.BOT_FINISHED

    def _bot_wants_to_exit(self) -> None:
        self._bot_has_failed()
        if self._bot_task is not None:
            self._bot_task.cancel()

    def _bot_has_failed(self) -> None:
        self._has_ended_by(EndReason.BOT_FAILED)
        self._connection.close(1011, "internal error")

    async def _run_bot(self) -> None:
        try:
            await self._bot(self.transport)
        except ConfigurationError as exc:  # Says all that there is to know.
            logger.error("session %s: the bot cannot work: %s", self.id, exc)
            self._bot_has_failed()
        except (Exception, SystemExit, KeyboardInterrupt):  # Its wish to leave is for its session.
            logger.exception("session %s: the bot failed", self.id)
            self._bot_has_failed()

    def _check_started(self) -> None:
        if not self.transport.has_begun and self._bot_task is not None:
            logger.error("session %s: no pipeline runs after %g s", self.id, START_SECS)
            self._has_ended_by(EndReason.BOT_NOT_STARTED)
            self._connection.close(1011, "the bot has not started")
            self._bot_task.cancel()

    def _time_is_up(self) -> None:
        if not self._connection.is_open:
            return  # It is over for another reason, and only the goodbye takes its time.
        logger.info("session %s: ended, it has lasted %g s", self.id, self._max_secs)
        self._has_ended_by(EndReason.TIME_UP)
        self._connection.close(CLOSE_TOO_LONG, f"a session lasts {self._max_secs:g} s at most")
