"""What a connection needs of whoever speaks through it."""

from typing import Protocol

from voicewire.cli.bench.outcome import Heard
from voicewire.cli.bench.plan import Window


class Role(Protocol):
    """One caller's part in the scenario. Pure: it is told the time, in monotonic seconds."""

    def begin(self, first_due_at: float) -> None:
        """Know when the first message is scheduled; the others follow every `FRAME_SECS`."""
        ...

    def next_message(self) -> bytes:
        """Return the next message, ready for the socket."""
        ...

    def take(self, message: bytes | str, *, now: float) -> None:
        """Take a message from the server."""
        ...

    def heard(self, window: Window) -> Heard:
        """Return what was measured."""
        ...
