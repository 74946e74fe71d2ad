"""What the owner of a connection has to be able to hear."""

from typing import Protocol


class MessageReceiver(Protocol):
    """Who is told what happens on a connection. All calls are on the event loop's thread."""

    def message_received(self, message: bytes | str) -> None:
        """Take a complete message. An exception closes the connection with 1011."""
        ...

    def writing_paused(self) -> None:
        """Stop sending for now: `write_high_water_bytes` are waiting."""
        ...

    def writing_resumed(self) -> None:
        """Send again."""
        ...

    def connection_closed(self, code: int, reason: str) -> None:
        """Know that it is over; called exactly once, and nothing is called after it.

        The code and reason are those of the side that closed first; 1006 where neither did.
        """
        ...
