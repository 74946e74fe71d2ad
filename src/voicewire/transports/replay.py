"""What has been sent and has perhaps not arrived. Pure."""

from collections import deque


class ReplayLog:
    """Messages in the order in which they were sent, numbered from 0, until they are acknowledged.

    Args:
        num_sent: How many were sent before.
        max_bytes: What may be kept.

    Attributes:
        num_sent: How many have been sent by now.
        num_bytes: Of those that are kept.
        is_complete: Whether everything is there that has not been acknowledged; false once more
            than `max_bytes` would have had to be kept.
    """

    def __init__(self, num_sent: int, *, max_bytes: int) -> None:
        self.num_sent = num_sent
        self.is_complete = True
        self._max_bytes = max_bytes
        self.num_bytes = 0
        self._kept: deque[bytes | str] = deque()

    @property
    def num_acknowledged(self) -> int:
        """How many have arrived, as far as is known."""
        return self.num_sent - len(self._kept)

    def append(self, message: bytes | str) -> None:
        """Keep a message that is sent."""
        self.num_sent += 1
        if not self.is_complete:
            return
        self._kept.append(message)
        self.num_bytes += len(message)
        if self.num_bytes > self._max_bytes:
            self.is_complete = False
            self._kept.clear()

    def acknowledge(self, num_received: int) -> None:
        """Forget what the other end has received: so many in all.

        Raises:
            ValueError: It cannot have received so many, or has said before that it has more.
        """
        if not self.is_complete:
            return
        first = self.num_acknowledged
        if not first <= num_received <= self.num_sent:
            raise ValueError(f"received: {num_received}; expected {first}..{self.num_sent}")
        for _ in range(num_received - first):
            self.num_bytes -= len(self._kept.popleft())

    def unacknowledged(self) -> tuple[bytes | str, ...]:
        """Return what has to be sent again."""
        return tuple(self._kept)
