"""A connection that this side opens, and opens again when it is lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from http import HTTPStatus

from pydantic import BaseModel, Field

from voicewire.clock import Clock, TimerHandle
from voicewire.errors import ConnectError, FrameDecodeError
from voicewire.frames import InputTransportMessageFrame, OutputTransportMessageUrgentFrame
from voicewire.pipeline.owner import TaskOwner
from voicewire.rtvi.messages import LABEL, PROTOCOL_VERSION, Json, message
from voicewire.serializers import FrameSerializer
from voicewire.transports.connection import Connection
from voicewire.transports.lasting import CLOSE_NOT_RESUMABLE, LastingConnection
from voicewire.transports.receiver import MessageReceiver
from voicewire.transports.replay import ReplayLog

logger = logging.getLogger(__name__)

MAX_KEPT_BYTES = 16 << 20
"""What may wait for an acknowledgement: 80 s of stereo PCM at 48 kHz, more than servers wait."""

PING_SECS = 1.0

SILENT_SECS = 2.5
"""A server that has not answered for so long is gone. Coming back costs nothing."""

REPLAY_BYTES_PER_SEC = 32_000
"""How fast a server reads at least what was kept: as fast as one speaks. Our pings wait behind
that, and it is not judged before."""

ATTEMPT_SECS = 2.0
"""How long the first attempt to come back may take, for the network may be dark only for a moment;
each further one may take twice as long, for the server may need time to let us in."""

ATTEMPT_PAUSE_SECS = 0.2

CLOSE_NO_ANSWER = 1005
"""What stands for the end of an attempt in which the server has said something else."""

CLOSE_GOING_AWAY = 1001
"""The server leaves; another one may go on with what it has kept."""

LIBRARY = "voicewire-python"
"""What we call ourselves to a server."""

REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""What a server says that will not let us in the next time either."""

_LABEL_BYTES = LABEL.encode()

Call = Callable[[dict[str, str]], Awaitable[Connection]]
"""Calls the server, with these fields in the query. Raises `ConnectError`."""

Tell = Callable[[str], None]
"""Tells the application: `on_lost`, `on_renewed` or `on_resumed`."""


class _Invitation(BaseModel):
    """What a server says of how to come back: `vw-resume`."""

    token: str
    received: int = Field(default=0, ge=0)
    kept: bool = False
    renewed: bool = False


class _Pong(BaseModel):
    received: int = Field(ge=0)


class ReturningConnection(LastingConnection[Connection]):
    """The connection of a client that comes back.

    It says hello by RTVI. Where the server answers that the client may come back, what is sent is
    kept until the server has acknowledged it; when the connection is lost, the server is called
    again and again, with the token that it has given, and both ends repeat what the other has not
    got. What this side sends meanwhile is kept as well: a microphone does not wait.

    Where the session is gone, but another process has the conversation, it goes on there: the
    hello is said again, and what has not been acknowledged.

    A server that knows nothing of this is talked with as by any other connection.

    Args:
        connection: The first one, not started.
        call: Makes the next ones.
        serializer: Puts the messages on the wire that keep the connection; not the session's own.
        tasks: Owns the task that comes back.
        tell: Told what happens.
        clock: The time.
        window_secs: How long it is tried.
    """

    def __init__(
        self,
        connection: Connection,
        call: Call,
        serializer: FrameSerializer,
        *,
        tasks: TaskOwner,
        tell: Tell,
        clock: Clock,
        window_secs: float,
    ) -> None:
        super().__init__(connection)
        self._call = call
        self._serializer = serializer
        self._tasks = tasks
        self._tell = tell
        self._clock = clock
        self._window_secs = window_secs
        self._token = ""
        self._is_kept = False
        self._return: asyncio.Task[None] | None = None
        self._attempt: _Attempt | None = None
        self._timer: TimerHandle | None = None
        self._lost_at = 0.0
        self._is_judged_from = 0.0
        self._is_renewed = False  # And has no token of its own yet.
        self._begin_counting()

    @property
    def can_come_back(self) -> bool:
        return super().can_come_back and self._token != ""

    @property
    def is_writing_paused(self) -> bool:
        return self._connection is not None and self._connection.is_writing_paused

    def start(self, receiver: MessageReceiver) -> None:
        super().start(_Ear(self, receiver))
        self._say_hello()

    def takes(self, received: bytes | str) -> bool:
        """Take note of what has come; return whether it was for this connection alone."""
        if self._over.is_set():
            return True
        content = self._rtvi_in(received)
        kind = content.get("type")
        if self._attempt is not None and self._connection is None and kind != "vw-resume":
            self._attempt.ended(CLOSE_NO_ANSWER)  # Whoever that is knows nothing of the session.
            return True
        try:
            if kind == "vw-resume":  # The one message that is not counted.
                self._take_invitation(_Invitation.model_validate(content.get("data")))
                return True
            self.num_received += 1
            if kind == "vw-pong":
                self._take_pong(_Pong.model_validate(content.get("data")))
                return True
        except ValueError as exc:
            logger.warning("connection %s: the server has sent a bad %s: %s", self.id, kind, exc)
            self.abort()
            return True
        if kind == "bot-ready" and not self._token:
            self._forget()  # Nobody acknowledges anything.
        return False

    def connection_ended(self, connection: Connection, code: int, reason: str) -> None:
        if self._attempt is not None and connection is self._attempt.connection:
            self._attempt.ended(code)
        else:
            super().connection_ended(connection, code, reason)

    def _begin_counting(self) -> None:
        self.num_received = 0
        self._log = ReplayLog(0, max_bytes=MAX_KEPT_BYTES)
        self._own_numbers: set[int] = set()  # Of messages about the connection, in the log.

    def _rtvi_in(self, received: bytes | str) -> Json:
        """Return the message of RTVI in what has come; empty if it is none."""
        if not isinstance(received, bytes) or _LABEL_BYTES not in received:
            return {}
        try:
            frame = self._serializer.deserialize(received)
        except FrameDecodeError:
            return {}
        if not isinstance(frame, InputTransportMessageFrame) or not isinstance(frame.message, dict):
            return {}
        return frame.message if frame.message.get("label") == LABEL else {}

    def _say_hello(self) -> None:
        hello = {
            "version": PROTOCOL_VERSION,
            "about": {"library": LIBRARY},
            "voicewire": {"resume": True, "program": True},
        }
        self._send_own(message("client-ready", hello, to="hello"))

    def _send_own(self, content: Json) -> None:
        encoded = self._serializer.serialize(OutputTransportMessageUrgentFrame(content))
        assert encoded is not None  # noqa: S101 - it carries RTVI
        if self._log is not None:
            self._own_numbers.add(self._log.num_sent)
        self.send(encoded)

    def _keep_in_touch(self) -> None:
        if self._log is None:
            return
        connection, now = self._connection, self._clock.now()
        if connection is not None and connection.is_open:
            if now - max(connection.last_heard_at, self._is_judged_from) > SILENT_SECS:
                connection.abort()
            else:
                ping = {"sent_at": round(now * 1000), "received": self.num_received}
                self._send_own(message("vw-ping", ping))
        self._timer = self._clock.call_later(PING_SECS, self._keep_in_touch)

    def _take_pong(self, pong: _Pong) -> None:
        # One from before a loss, which the server has repeated, knows of less.
        if self._log is not None and pong.received > self._log.num_acknowledged:
            self._log.acknowledge(pong.received)
            self._forget_own()

    def _forget_own(self) -> None:
        if self._log is not None:
            first = self._log.num_acknowledged
            self._own_numbers = {number for number in self._own_numbers if number >= first}

    # Coming back.

    def _is_loss(self, code: int, reason: str) -> bool:
        return super()._is_loss(code, reason) or (code == CLOSE_GOING_AWAY and self._is_kept)

    def _lost(self, connection: Connection, code: int, reason: str) -> None:
        logger.info("connection %s: lost; calling again", self.id)
        self._lost_at = self._clock.now()
        self._tell("on_lost")
        if connection.is_writing_paused and self._receiver is not None:
            self.writable()
            self._receiver.writing_resumed()
        self._return = self._tasks.create(self._come_back(code, reason), name=f"return {self.id}")

    async def _come_back(self, code: int, reason: str) -> None:
        """Call until the conversation goes on, or cannot go on."""
        attempt_secs = ATTEMPT_SECS
        try:
            async with asyncio.timeout(self._window_secs):
                while await self._try_to_come_back(attempt_secs) is _Outcome.NOT_YET:
                    attempt_secs *= 2
                    await asyncio.sleep(ATTEMPT_PAUSE_SECS)
        except TimeoutError:
            logger.info("connection %s: the server was not reached in time", self.id)
        except Exception:
            logger.exception("connection %s: cannot come back", self.id)
        if self._connection is None and self._return is asyncio.current_task():
            self._end(code, reason)

    async def _try_to_come_back(self, attempt_secs: float) -> "_Outcome":
        attempt = _Attempt()
        outcome = _Outcome.NOT_YET
        try:
            async with asyncio.timeout(attempt_secs):
                attempt.connection = await self._call(
                    {"resume": self._token, "received": str(self.num_received)}
                )
                self._attempt = attempt
                self._deliver_from(attempt.connection)
                outcome = await attempt.outcome
        except ConnectError as exc:
            if exc.status in REFUSALS:
                outcome = _Outcome.NEVER
        except TimeoutError:  # Perhaps at the moment when the server has answered.
            if attempt.connection is not None and attempt.connection is self._connection:
                outcome = _Outcome.BACK
        finally:
            self._attempt = None
            if attempt.connection is not None and attempt.connection is not self._connection:
                attempt.connection.abort()
        # Where a conversation was lost again before it was renewed, its record comes back in time.
        return _Outcome.NOT_YET if outcome is _Outcome.NEVER and self._is_renewed else outcome

    def _take_invitation(self, invitation: _Invitation) -> None:
        self._is_kept = invitation.kept
        if invitation.renewed:
            self._begin_anew()
            return
        if not invitation.token:
            raise ValueError("token: expected one")
        is_first, self._token = not self._token, invitation.token
        self._is_renewed = False
        if self._log is None:
            return
        self._log.acknowledge(invitation.received)
        self._forget_own()
        if is_first:
            self._keep_in_touch()
        connection = self._adopt_connection()
        if connection is not None:
            self._repeat(connection, self._log)
            self._tell("on_resumed")

    def _begin_anew(self) -> None:
        """Go on with another process: it knows the conversation, and nothing of the connection."""
        log, own_numbers = self._log, self._own_numbers
        if log is None or self._adopt_connection() is None:
            return
        self._begin_counting()
        self._is_renewed = True
        self._tell("on_renewed")
        self._say_hello()
        for number, each in enumerate(log.unacknowledged(), log.num_acknowledged):
            if number not in own_numbers:
                self.send(each)
        self._tell("on_resumed")

    def _adopt_connection(self) -> Connection | None:
        """Go on with the connection by which we have come back; None where there is none."""
        attempt = self._attempt
        if attempt is None or self._connection is not None:
            return None
        self._connection = attempt.connection
        attempt.succeeded()
        now = self._clock.now()
        kept_secs = self._log.num_bytes / REPLAY_BYTES_PER_SEC if self._log is not None else 0.0
        self._is_judged_from = now + max(now - self._lost_at, kept_secs)
        return self._connection

    def _forget(self) -> None:
        self._log = None
        if self._timer is not None:
            self._timer.cancel()
        if self._return is not None and self._return is not asyncio.current_task():
            self._return.cancel()


class _Outcome(Enum):
    """Of an attempt to come back."""

    BACK = "the conversation goes on"
    NOT_YET = "it is worth another attempt"
    NEVER = "there is nothing to come back to"


class _Attempt:
    """An attempt to come back, by a connection of which the server has not yet spoken."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.outcome: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()

    def succeeded(self) -> None:
        self._settle(_Outcome.BACK)

    def ended(self, code: int) -> None:
        self._settle(_Outcome.NEVER if code == CLOSE_NOT_RESUMABLE else _Outcome.NOT_YET)

    def _settle(self, outcome: _Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class _Ear:
    """Lets the session have what is not for the connection alone."""

    def __init__(self, owner: ReturningConnection, receiver: MessageReceiver) -> None:
        self._owner = owner
        self._receiver = receiver
        self.writing_paused = receiver.writing_paused
        self.writing_resumed = receiver.writing_resumed
        self.connection_closed = receiver.connection_closed

    def message_received(self, message: bytes | str) -> None:
        if not self._owner.takes(message):
            self._receiver.message_received(message)
