"""What runs in a worker process: one of several servers on one port."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

from voicewire.auth.used_tokens import share_used_tokens
from voicewire.errors import VoicewireError
from voicewire.sessions.fellows import Fellows
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import SharedPlaces
from voicewire.sessions.postmark import Postmark
from voicewire.shared_file import SharedFile

ALONE_SECS = 30.0
"""How long a worker may take to end, beyond its time to drain, when its supervisor is gone."""

YIELD_SECS = 0.002
"""How long a worker with more callers than the others leaves the next one to them."""

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)

RELOAD_SIGNAL: signal.Signals = getattr(signal, "SIGHUP", signal.SIGTERM)
"""Tells the supervisor to replace its workers. (There are no workers where there is no SIGHUP.)"""

BLOCKED_SIGNALS = (*END_SIGNALS, RELOAD_SIGNAL)
"""Blocked from a worker's birth until it can take them without harm."""


@dataclass
class Worker:
    """What a worker process knows of itself.

    Attributes:
        number: From 1; no other worker of the supervisor has or had it.
        count: How many workers there are.
        sockets: The port, which all workers share.
        places_file: The file of the places that all share.
        used_tokens: The file of the one-time tokens that one of them has seen.
        to_supervisor: Tells that callers are let in, or why not.
        channel: Where sockets come and go that are another worker's.
        key: What all workers have in common, and nobody else.
        alone_secs: How long it may take to end when its supervisor is gone.
        on_retire: Called, in another thread, when another worker has taken this one's seat.
    """

    number: int
    count: int
    sockets: Sequence[socket.socket]
    places_file: SharedFile
    used_tokens: SharedFile
    to_supervisor: Pipe
    channel: socket.socket
    key: bytes = field(repr=False)
    alone_secs: float = ALONE_SECS
    on_retire: Callable[[], object] | None = None

    def places(self, limits: Limits) -> SharedPlaces:
        """Return this worker's view of the places."""
        return SharedPlaces(self.places_file, limits, worker=self.number)

    def fellows(self) -> Fellows:
        """Return the other workers."""
        return Fellows(self.channel, Postmark(self.key, self.number))

    def tell_ready(self, url: str) -> None:
        """Tell that callers are let in."""
        self.to_supervisor.send(url)


@dataclass
class Failure:
    """What a worker says that cannot start."""

    message: str


def work(serve: Callable[[Worker], None], worker: Worker) -> None:
    """Be a worker: run `serve`, and tell the supervisor where it cannot start."""
    threading.Thread(target=_obey_supervisor, args=(worker,), daemon=True).start()
    try:
        # It is for the supervisor; a terminal that closes tells the whole group of processes.
        signal.signal(RELOAD_SIGNAL, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)
        share_used_tokens(worker.used_tokens)
        serve(worker)
    except KeyboardInterrupt:  # Before the server handled signals itself.
        return
    except VoicewireError as exc:
        worker.to_supervisor.send(Failure(str(exc)))
        raise SystemExit(1) from None


def _obey_supervisor(worker: Worker) -> None:
    """Retire when told to; end as SIGTERM does when the supervisor is gone, however it went."""
    try:
        while True:
            worker.to_supervisor.recv()
            if worker.on_retire is not None:
                worker.on_retire()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(worker.alone_secs)
        os._exit(1)  # The event loop hangs.
