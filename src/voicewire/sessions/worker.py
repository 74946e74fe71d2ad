"""What runs in a worker process: one of several servers on one port."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from voicewire.auth.used_tokens import share_used_tokens
from voicewire.errors import VoicewireError
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import Places, SharedPlaces

ALONE_SECS = 30.0
"""How long a worker may take to end when its supervisor is gone."""


END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Blocked from a worker's birth until it can be ended without a traceback."""


@dataclass
class Worker:
    """What a worker process knows of itself.

    Attributes:
        number: From 1.
        port: Where to listen, beside the others.
        places_path: The file of the places that all share.
        to_supervisor: Tells that callers are let in, or why not.
    """

    number: int
    port: int
    places_path: Path
    to_supervisor: Pipe

    def places(self, limits: Limits) -> Places:
        """Return this worker's view of the places."""
        return SharedPlaces(self.places_path, limits, worker=self.number)

    def tell_ready(self, url: str) -> None:
        """Tell that callers are let in."""
        self.to_supervisor.send(url)


@dataclass
class Failure:
    """What a worker says that cannot start."""

    message: str


def work(serve: Callable[[Worker], None], worker: Worker) -> None:
    """Be a worker: run `serve`, and tell the supervisor where it cannot start."""
    threading.Thread(target=_end_with_supervisor, args=(worker.to_supervisor,), daemon=True).start()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
        # The directory is this server's, and is removed with it.
        share_used_tokens(worker.places_path.parent)
        serve(worker)
    except KeyboardInterrupt:  # Before the server handled signals itself.
        return
    except VoicewireError as exc:
        worker.to_supervisor.send(Failure(str(exc)))
        raise SystemExit(1) from None


def _end_with_supervisor(pipe: Pipe) -> None:
    """End this process as SIGTERM does when the supervisor is gone, however it went."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ALONE_SECS)
        os._exit(1)  # The event loop hangs.
