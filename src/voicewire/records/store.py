"""Where records are kept."""

from abc import ABC, abstractmethod
from collections import OrderedDict

from voicewire.clock import Clock, MonotonicClock

MAX_RECORDS = 10_000


class SessionStore(ABC):
    """Keeps records for those who have the key: a digest of a client's token.

    A store may fail, and may be slow: who asks it waits for two seconds at most, and no call does.
    """

    @abstractmethod
    async def put(self, key: str, record: bytes, *, expires_secs: float) -> None:
        """Keep a record for so many seconds, instead of the one that this key had."""

    @abstractmethod
    async def take(self, key: str) -> bytes | None:
        """Return a record and forget it, so that of all who ask one gets it; None where none is."""

    async def close(self) -> None:
        """Let go of connections; they are made again when they are needed."""
        return


class MemorySessionStore(SessionStore):
    """Keeps records in this process, as long as it lives: for tests.

    Args:
        max_records: How many; the oldest goes for the next one.
        clock: The time.
    """

    def __init__(self, *, max_records: int = MAX_RECORDS, clock: Clock | None = None) -> None:
        self._max_records = max_records
        self._clock = clock or MonotonicClock()
        self._records: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def put(self, key: str, record: bytes, *, expires_secs: float) -> None:
        self._records[key] = (self._clock.now() + expires_secs, record)
        self._records.move_to_end(key)
        if len(self._records) > self._max_records:
            self._records.popitem(last=False)

    async def take(self, key: str) -> bytes | None:
        expires_at, record = self._records.pop(key, (0.0, None))
        return record if self._clock.now() < expires_at else None
