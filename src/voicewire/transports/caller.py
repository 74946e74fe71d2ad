"""One caller: a connection, the way in, the way out, and nothing that outlives them."""

import asyncio
from collections.abc import Callable

from voicewire.clock import Clock, TimerHandle
from voicewire.transports.client import ClientConnection
from voicewire.transports.idle import ActivityTimer
from voicewire.transports.inbound import Inbound
from voicewire.transports.intake import Intake
from voicewire.transports.outbound import Outbound


class CallerSession:
    """Joins a connection to its inbound and outbound halves until the connection closes.

    Args:
        client: What the application sees of the connection.
        inbound: Takes the messages.
        outbound: Takes the frames.
        clock: The time.
        session_timeout_secs: Longest time without a message; None is for ever.
        on_timeout: Called when that time has passed, once until the next message.
        max_ahead_secs: How far ahead of real time the client may send.
        rest: Called with the seconds for which nothing is to be read of a client that is further.
    """

    def __init__(
        self,
        *,
        client: ClientConnection,
        inbound: Inbound,
        outbound: Outbound,
        clock: Clock,
        session_timeout_secs: float | None,
        on_timeout: Callable[[], None],
        max_ahead_secs: float,
        rest: Callable[[float], None],
    ) -> None:
        self.client = client
        self.outbound = outbound
        self._inbound = inbound
        self._clock = clock
        self._now = clock.now
        self._on_timeout = on_timeout
        self._intake = Intake(max_ahead_secs, now=clock.now())
        self._rest = rest
        self._closed = asyncio.Event()
        self._timer: TimerHandle | None = None
        self._activity: ActivityTimer | None = None
        if session_timeout_secs is not None:
            self._activity = ActivityTimer(session_timeout_secs, now=clock.now())
            self._check_activity(self._activity)

    def message_received(self, message: bytes | str) -> None:
        now = self._now()
        if self._activity is not None and self._activity.touch(now=now):
            self._check_activity(self._activity)
        rest_secs = self._intake.take(self._inbound.take(message), now=now)
        if rest_secs > 0:
            self._rest(rest_secs)

    def writing_paused(self) -> None:
        self.outbound.writing_paused()

    def writing_resumed(self) -> None:
        self.outbound.writing_resumed()

    def connection_closed(self, code: int, reason: str) -> None:
        self._closed.set()
        if self._timer is not None:
            self._timer.cancel()
        self._inbound.close()
        self.outbound.close()

    def wait_for_audio(self, secs: float) -> None:
        """Know that the client sends audio all the time, and what is missing will come."""
        self._inbound.wait_for_audio(secs)

    def wait_for_late_audio(self, secs: float) -> None:
        """Know that what is missing from now on will come, until there is audio again."""
        self._inbound.wait_for_late_audio(secs)

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""
        await self._closed.wait()

    def _check_activity(self, activity: ActivityTimer) -> None:
        remaining_secs = activity.check(now=self._clock.now())
        if activity.has_fired:
            self._timer = None
            self._on_timeout()
        else:
            self._timer = self._clock.call_later(
                remaining_secs, lambda: self._check_activity(activity)
            )
