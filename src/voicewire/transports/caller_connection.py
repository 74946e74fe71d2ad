"""What the rest of the house needs of a connection, whoever accepted it."""

from collections.abc import Mapping
from typing import Protocol

from voicewire.transports.identity import Identity
from voicewire.transports.receiver import MessageReceiver


class CallerConnection(Protocol):
    """An open WebSocket connection: `Connection` of our own listener, or one of an ASGI server.

    Nothing is read before `start`. Nothing waits: whoever sends heeds `is_writing_paused`.
    """

    id: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    identity: Identity | None
    subprotocol: str | None
    remote_address: tuple[str, int]

    @property
    def is_writing_paused(self) -> bool:
        """Whether nothing more should be sent for now."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        ...

    @property
    def end_words(self) -> tuple[int, str]:
        """The code and reason of the side that closed first; 1006 where neither did, or has yet."""
        ...

    def start(self, receiver: MessageReceiver) -> None:
        """Deliver to `receiver` from now on."""
        ...

    def send(self, message: bytes | str) -> None:
        """Send a message.

        Raises:
            SessionClosed: The connection is not open any more.
        """
        ...

    def rest(self, secs: float) -> None:
        """Read nothing for so many seconds."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye."""
        ...

    def abort(self) -> None:
        """Drop the connection now."""
        ...

    async def wait_closed(self) -> None:
        """Return when the connection is gone and the receiver has been told."""
        ...

    async def wait_writable(self) -> None:
        """Return when writing is not paused, or not possible any more."""
        ...


class CountedConnection(CallerConnection, Protocol):
    """One whose messages are counted, so that another can go on where it was lost."""

    num_messages_received: int
    num_messages_sent: int
