"""The transport that a bot gets for its one caller."""

import copy
import time

from pydantic import JsonValue

from voicewire.clock import Clock
from voicewire.context import LLMContext
from voicewire.frames import EndFrame, OutputTransportMessageUrgentFrame
from voicewire.pipeline import FrameDirection
from voicewire.records import SessionRecord
from voicewire.rtvi.messages import message
from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.client import ClientConnection
from voicewire.transports.identity import subject_of
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.resumable import ResumableConnection
from voicewire.transports.websocket import WebsocketTransport

CLOSE_NORMAL = 1000


class SessionTransport(WebsocketTransport):
    """Brings the caller of one session to the bot's pipeline, and ends it when they have left.

    The caller is connected before the pipeline is made, so that `client` can tell which bot they
    want; what they say waits in the kernel until the pipeline has started. Its events are those of
    `WebsocketTransport`. After `on_client_disconnected` an EndFrame ends the pipeline.

    Attributes:
        has_ended_first: Whether the pipeline has ended while the caller was there.
    """

    def __init__(
        self,
        connection: CallerConnection,
        *,
        params: WebsocketServerParams,
        clock: Clock,
        input_name: str | None = None,
        output_name: str | None = None,
        record: SessionRecord | None = None,
    ) -> None:
        super().__init__(params=params, clock=clock, input_name=input_name, output_name=output_name)
        self.record = record
        self._began_at = time.time() if record is None else record.began_at
        self._memory: tuple[LLMContext, JsonValue] | None = None
        self.has_ended_first = False
        self._connection = connection
        self._client = ClientConnection(connection)
        self._farewell: tuple[int, str] | None = None

    async def hear_out(self) -> bool:
        """Return whether it is known who calls, once that is clear; False if they have left."""
        self._introduction = self._introduce(self._connection)
        return await self._introduction.hear_out()

    @property
    def client(self) -> ClientConnection:
        """The caller, also when they have left."""
        return self._client

    @property
    def has_pipeline(self) -> bool:
        """Whether a pipeline runs between this transport's ends."""
        return self._setup is not None and not self._is_shut

    @property
    def has_begun(self) -> bool:
        """Whether a pipeline has started, so that the caller is listened to."""
        return self._has_begun

    @property
    def is_settled(self) -> bool:
        """Whether nobody speaks, and no question is without its answer."""
        return self.output().turns.is_settled(now=self._clock.now())

    def remember(self, context: LLMContext, data: JsonValue = None) -> None:
        self._memory = (context, data)

    def make_record(self) -> SessionRecord | None:
        """Return the conversation as it is now; None where the bot lets nothing be kept.

        Raises:
            ValueError: Something in it cannot be in a record.
        """
        if self._memory is None:
            return None
        context, data = self._memory
        return SessionRecord(
            session_id=self._client.id if self.record is None else self.record.session_id,
            subject=subject_of(self._client.identity),
            path=self._client.path,
            began_at=self._began_at,
            messages=context.get_messages(),
            data=data,
        )

    def tell_renewed(self, connection: ResumableConnection) -> None:
        """Tell a client that its conversation goes on here, and that all counts begin anew."""
        content = {"token": "", "received": 0, "renewed": True, "kept": True}
        frame = OutputTransportMessageUrgentFrame(message("vw-resume", content))
        encoded = copy.deepcopy(self._params.serializer).serialize(frame)
        if encoded is not None:
            connection.send_uncounted(encoded)

    def announce_goaway(self, *, within_secs: float, farewell: tuple[int, str]) -> None:
        """Tell a client that understands it that the server will leave.

        Args:
            within_secs: By when.
            farewell: The code and words of the goodbye when the pipeline has ended by itself.
        """
        self._farewell = farewell
        if self._connection.is_open:
            self.rtvi.tell_goaway(within_secs=within_secs, reason=farewell[1])

    def ask_to_end(self) -> None:
        """Ask the pipeline to end when the bot has said what it has to say."""
        self.input().push(EndFrame(), FrameDirection.UPSTREAM)

    def end(self, code: int, reason: str) -> None:
        self.has_ended_first = self.has_ended_first or self._connection.is_open
        # Only this conversation is over: the server goes away when it says so.
        self._say_goodbye(self._connection, *(self._farewell or (CLOSE_NORMAL, reason)))

    def forgotten(self) -> None:
        """Nobody comes after this caller."""

    def _get_ready(self) -> None:
        """The connection is there already."""

    async def _let_in(self) -> None:
        await self.emit("on_websocket_ready", self)
        self._start_visit(self._see_through(), self._connection)

    async def _stop_accepting(self) -> None:
        """Nobody else would come."""

    def _abort_callers(self) -> None:
        self._connection.abort()

    async def _see_through(self) -> None:
        is_known = self._introduction is not None or await self.hear_out()
        if is_known and self._introduction is not None:
            await self._visit(self._connection, self._client, self._introduction)
        self.ask_to_end()
