"""The places of a server: who has one, and whether another caller may have one too."""

from abc import ABC, abstractmethod
from collections import Counter
from hashlib import blake2b

import numpy as np

from voicewire.sessions.limits import Limits
from voicewire.shared_file import SharedFile, locked

PlaceId = int

FULL = "all places are taken"
"""What a caller is told for whom there is none."""


class Places(ABC):
    """At most `max_sessions` places, of which one address has at most `max_sessions_per_ip`."""

    def __init__(self, limits: Limits) -> None:
        self._max_sessions = limits.max_sessions
        self._max_per_ip = limits.max_sessions_per_ip

    @abstractmethod
    def occupied(self, ip: str) -> tuple[int, int]:
        """Return how many places are taken, by all and by `ip`."""

    @property
    def are_taken(self) -> bool:
        """Whether nobody can have one, from whatever address."""
        return self.refusal("") == "server"

    def refusal(self, ip: str) -> str | None:
        """Return which limit keeps a caller out: `"server"`, `"ip"`, or None for neither."""
        taken, taken_by_ip = self.occupied(ip)
        if taken >= self._max_sessions:
            return "server"
        if self._max_per_ip is not None and taken_by_ip >= self._max_per_ip:
            return "ip"
        return None

    @abstractmethod
    def take(self, ip: str) -> PlaceId | None:
        """Take a place for a caller; None where there is none left."""

    @abstractmethod
    def give_back(self, place: PlaceId, ip: str) -> None:
        """Give back what `take` returned for `ip`."""


class LocalPlaces(Places):
    """The places of a server of one process."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._by_ip: Counter[str] = Counter()
        self._num_taken = 0

    def occupied(self, ip: str) -> tuple[int, int]:
        return self._num_taken, self._by_ip.get(ip, 0)

    def take(self, ip: str) -> PlaceId | None:
        if self.refusal(ip) is not None:
            return None
        self._num_taken += 1
        self._by_ip[ip] += 1
        return self._num_taken

    def give_back(self, place: PlaceId, ip: str) -> None:
        self._num_taken -= 1
        self._by_ip[ip] -= 1
        if not self._by_ip[ip]:
            del self._by_ip[ip]


class SharedPlaces(Places):
    """The places of several processes, in a file that all of them map into their memory.

    A record a place: the number of the worker that has it (0: nobody) and a digest of the
    caller's address. The lock is a process's own (POSIX), as all have the same open file. The
    kernel lets go of it when a process dies that holds it, and whoever supervises the processes
    calls `give_back_all` for the dead one.

    Args:
        shared: The file, as `create` has made it; closed by `close`.
        limits: As they were for `create`.
        worker: This process's number, from 1.
    """

    _RECORD = np.dtype([("worker", np.uint32), ("ip", np.uint64)])

    def __init__(self, shared: SharedFile, limits: Limits, *, worker: int) -> None:
        super().__init__(limits)
        self._worker = worker
        self._file = shared.file
        self._records = np.memmap(self._file, dtype=self._RECORD, shape=(limits.max_sessions,))

    @classmethod
    def create(cls, limits: Limits) -> SharedFile:
        """Return a file with all places free."""
        return SharedFile.of_size(limits.max_sessions * cls._RECORD.itemsize)

    def occupied(self, ip: str) -> tuple[int, int]:
        is_taken = self._records["worker"] != 0
        return (
            int(np.count_nonzero(is_taken)),
            int(np.count_nonzero(is_taken & (self._records["ip"] == _digest(ip)))),
        )

    def is_above_average(self, num_workers: int, *, num_pending: int = 0) -> bool:
        """Return whether this worker has more callers than the workers have on average.

        Args:
            num_workers: How many workers there are.
            num_pending: This one's callers who are at the door, and have no place yet.
        """
        workers = self._records["worker"]
        mine = int(np.count_nonzero(workers == self._worker))
        return (mine + num_pending) * num_workers > int(np.count_nonzero(workers)) + num_pending

    def take(self, ip: str) -> PlaceId | None:
        with locked(self._file):
            if self.refusal(ip) is not None:
                return None
            place = int(np.argmin(self._records["worker"] != 0))
            self._records[place] = (self._worker, _digest(ip))
            return place

    def give_back(self, place: PlaceId, ip: str) -> None:
        with locked(self._file):
            self._records[place] = (0, 0)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def give_back_all(self, worker: int) -> None:
        """Give back the places of a worker that is no more."""
        with locked(self._file):
            self._records[self._records["worker"] == worker] = (0, 0)


def _digest(ip: str) -> int:
    return int.from_bytes(blake2b(ip.encode(), digest_size=8).digest())
