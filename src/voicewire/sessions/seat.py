"""A supervisor's view of a worker process, and of a worker's place among the others."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection as Pipe

from voicewire.sessions.fellows import open_channel
from voicewire.sessions.worker import BLOCKED_SIGNALS, Worker, work

SPAWN = get_context("spawn")
"""Fresh processes: a fork would copy the locks of threads that it does not copy."""

RESTART_SECS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long the place of a worker stays empty that died soon after its start, the n-th time."""

SOON_SECS = 10.0
"""A worker that has lived longer than this died of something else than its start."""


class WorkerProcess:
    """One worker process, from its start.

    Args:
        serve: What it runs.
        make_worker: Makes what it knows of itself, given its ends of the pipe and the channel.
        number: Its own.

    Attributes:
        number: From 1; no other worker has or had it.
        pipe: Where it tells that it lets callers in; None once it has closed that.
        channel: Where it hands over sockets, and gets them; None once it has closed that.
        has_said_ready: Whether it has.
    """

    def __init__(
        self,
        serve: Callable[[Worker], None],
        make_worker: Callable[[Pipe, socket.socket], Worker],
        number: int,
    ) -> None:
        self.number = number
        self.has_said_ready = False
        self.started_at = time.monotonic()
        self.pipe: Pipe | None
        self.pipe, theirs = SPAWN.Pipe()
        self.channel: socket.socket | None
        self.channel, their_channel = open_channel()
        self._process = SPAWN.Process(
            target=work,
            args=(serve, make_worker(theirs, their_channel)),
            name=f"voicewire-{number}",
        )
        # The first start in a process starts this too, and that lets the signals through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_SIGNALS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)
        theirs.close()
        their_channel.close()

    @property
    def pid(self) -> int:
        """The process's identifier."""
        assert self._process.pid is not None  # noqa: S101 - it has been started
        return self._process.pid

    @property
    def sentinel(self) -> int:
        """What becomes readable when the process has ended."""
        return self._process.sentinel

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal; one that has just ended needs none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def retire(self) -> None:
        """Tell it to let nobody in any more, and to end when its last caller has left."""
        if self.pipe is not None:
            with contextlib.suppress(OSError):
                self.pipe.send("retire")

    def hear(self) -> object:
        """Return what it says; None when it will say no more."""
        if self.pipe is not None:
            try:
                return self.pipe.recv()
            except (EOFError, OSError):
                self.pipe.close()
                self.pipe = None
        return None

    def has_more_to_say(self) -> bool:
        """Whether `hear` would return at once."""
        return self.pipe is not None and self.pipe.poll()

    def close_channel(self) -> None:
        """Hand over nothing more to it, nor from it."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()

    def bury(self) -> int | None:
        """Return its exit code, when it has ended, and let go of it."""
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        self.close_channel()
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None
        return code


class Seat:
    """One worker's place among the workers.

    Attributes:
        worker: Who has it; None while it is empty.
        successor: Who will have it, once ready.
        start_at: When to start the next one, if it is empty; monotonic.
    """

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.successor: WorkerProcess | None = None
        self.start_at = 0.0
        self._num_early_deaths = 0

    def succeed(self) -> WorkerProcess | None:
        """Give the seat to the successor, and return who had it."""
        before, self.worker, self.successor = self.worker, self.successor, None
        return before

    def mourn(self, worker: WorkerProcess) -> None:
        """Take note that the one who had it has died, and when to start the next one."""
        now = time.monotonic()
        is_early = now - worker.started_at < SOON_SECS
        self._num_early_deaths = self._num_early_deaths + 1 if is_early else 0
        self.start_at = now + RESTART_SECS[min(self._num_early_deaths, len(RESTART_SECS) - 1)]
        self.succeed()
