"""Several processes on one port: started, watched, replaced when one dies, ended together."""

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from voicewire.errors import ConfigurationError, WorkerError
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import SharedPlaces
from voicewire.sessions.worker import END_SIGNALS, Failure, Worker, work
from voicewire.transports.settings import ListenerSettings
from voicewire.transports.sockets import bind_sockets

logger = logging.getLogger(__name__)

RESTART_SECS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long the place of a worker stays empty that died soon after its start, the n-th time."""

SOON_SECS = 10.0
"""A worker that has lived longer than this died of something else than its start."""

KILL_SECS = 30.0
"""How long workers may take to end; it is longer than their sessions may."""

SPAWN = multiprocessing.get_context("spawn")
"""Fresh processes: a fork would copy the locks of threads that it does not copy."""


def run_workers(
    serve: Callable[[Worker], None],
    count: int,
    *,
    host: str,
    port: int,
    limits: Limits,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run `count` workers until SIGINT or SIGTERM, which each of them gets too.

    Args:
        serve: Run in each process, with SIGTERM and SIGINT left to it; must be picklable.
        count: How many.
        host: Where they listen.
        port: Where they listen; 0 picks a free one.
        limits: How many places they share.
        on_ready: Called with the URL when the first worker lets callers in.

    Raises:
        AddressInUseError: Somebody else listens on the port.
        ConfigurationError: There cannot be so many, or not on this platform.
        WorkerError: The first worker did not start.
    """
    if count < 1:
        raise ConfigurationError(f"workers is {count}; expected 1 or more")
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigurationError(f"workers is {count}; this platform can do no more than 1")
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(f"workers is {count}; outside the main thread it can only be 1")
    _check_picklable(serve)
    port = _free_port(host, port)
    with tempfile.TemporaryDirectory(prefix="voicewire-") as directory:
        places_path = Path(directory) / "places"
        SharedPlaces.create(places_path, limits)
        _Supervisor(serve, count, port, places_path, limits, on_ready).run()


class _Seat:
    """One worker's place among the workers, and the process that has it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: SpawnProcess | None = None
        self.pipe: Pipe | None = None
        self.started_at = 0.0
        self.start_at = 0.0
        self.num_early_deaths = 0

    def start(self, serve: Callable[[Worker], None], port: int, places_path: Path) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        worker = Worker(self.number, port, places_path, theirs)
        self.process = SPAWN.Process(
            target=work, args=(serve, worker), name=f"voicewire-{self.number}"
        )
        # The first start in a process starts this too, and that lets the signals through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
        theirs.close()
        self.started_at = time.monotonic()

    def bury(self) -> None:
        """Take note that the process has died, and when to start the next one."""
        now = time.monotonic()
        is_early = now - self.started_at < SOON_SECS
        self.num_early_deaths = self.num_early_deaths + 1 if is_early else 0
        last = len(RESTART_SECS) - 1
        self.start_at = now + RESTART_SECS[min(self.num_early_deaths, last)]
        if self.process is not None:
            self.process.close()
        if self.pipe is not None:
            self.pipe.close()
        self.process = self.pipe = None


class _Supervisor:
    """Starts workers, replaces those that die, and passes signals on."""

    def __init__(
        self,
        serve: Callable[[Worker], None],
        count: int,
        port: int,
        places_path: Path,
        limits: Limits,
        on_ready: Callable[[str], None] | None,
    ) -> None:
        self._serve = serve
        self._port = port
        self._places_path = places_path
        self._places = SharedPlaces(places_path, limits, worker=0)
        self._on_ready = on_ready
        self._seats = [_Seat(number) for number in range(1, count + 1)]
        self._has_been_ready = False
        self._kill_at: float | None = None

    def run(self) -> None:
        """Return when all workers have ended because they were told to."""
        with _waking_up_for_signals() as (wake_up, signals):
            try:
                while True:
                    self._pass_on(signals)
                    if self._kill_at is None:
                        self._start_missing()
                    elif not any(seat.process for seat in self._seats):
                        return
                    self._wait(wake_up)
            finally:
                self._kill_all()
                self._places.close()

    def _start_missing(self) -> None:
        now = time.monotonic()
        for seat in self._seats:
            if seat.process is None and seat.start_at <= now:
                seat.start(self._serve, self._port, self._places_path)

    def _wait(self, wake_up: socket.socket) -> None:
        """Wait for a signal, a message, a death, or the time of a start or a kill."""
        pipes = {seat.pipe: seat for seat in self._seats if seat.pipe is not None}
        sentinels = {seat.process.sentinel: seat for seat in self._seats if seat.process}
        ready = wait([wake_up, *pipes, *sentinels], timeout=self._timeout_secs())
        if wake_up in ready:
            wake_up.recv(4096)
            return  # The signal comes first: workers that it has ended have not died.
        for each in ready:
            if isinstance(each, int):
                self._died(sentinels[each])
            elif isinstance(each, Pipe):
                self._hear(pipes[each])
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_all()

    def _timeout_secs(self) -> float | None:
        if self._kill_at is not None:
            return max(0.0, self._kill_at - time.monotonic())
        starts = [seat.start_at for seat in self._seats if seat.process is None]
        return max(0.0, min(starts) - time.monotonic()) if starts else None

    def _hear(self, seat: _Seat) -> None:
        """Take a worker's message: its URL when it lets callers in, an error when it cannot."""
        if seat.pipe is None:
            return
        try:
            said = seat.pipe.recv()
        except (EOFError, OSError):
            seat.pipe.close()
            seat.pipe = None
            return
        if isinstance(said, Failure):
            if not self._has_been_ready:
                raise WorkerError(f"worker {seat.number} cannot start: {said.message}")
            logger.error("worker %d cannot start: %s", seat.number, said.message)
            return
        logger.info("worker %d lets callers in", seat.number)
        if not self._has_been_ready:
            self._has_been_ready = True
            if self._on_ready is not None:
                self._on_ready(said)

    def _died(self, seat: _Seat) -> None:
        while seat.pipe is not None and seat.pipe.poll():
            self._hear(seat)  # What it said before it died.
        if seat.process is None:
            return
        seat.process.join()
        code = seat.process.exitcode
        self._places.give_back_all(seat.number)
        seat.bury()
        if self._kill_at is not None:
            return
        if not self._has_been_ready:
            raise WorkerError(
                f"worker {seat.number} ended with exit code {code} before it let callers in"
            )
        logger.error("worker %d has died, with exit code %s; it is replaced", seat.number, code)

    def _pass_on(self, signals: list[signal.Signals]) -> None:
        while signals:
            number = signals.pop(0)
            if self._kill_at is None:
                self._kill_at = time.monotonic() + KILL_SECS
            for seat in self._seats:
                if seat.process is not None and seat.process.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(seat.process.pid, number)

    def _kill_all(self) -> None:
        for seat in self._seats:
            if seat.process is not None:
                seat.process.kill()
                seat.process.join()
                seat.bury()


@contextlib.contextmanager
def _waking_up_for_signals() -> Iterator[tuple[socket.socket, list[signal.Signals]]]:
    """Collect SIGINT and SIGTERM; the socket becomes readable when there is one."""
    signals: list[signal.Signals] = []
    before = {
        number: signal.signal(number, lambda got, _: signals.append(signal.Signals(got)))
        for number in END_SIGNALS
    }
    wake_up, waker = socket.socketpair()
    waker.setblocking(False)
    old_fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    try:
        yield wake_up, signals
    finally:
        signal.set_wakeup_fd(old_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        wake_up.close()
        waker.close()


def _free_port(host: str, port: int) -> int:
    """Return the port that all workers shall bind; nobody may listen on it yet.

    Raises:
        AddressInUseError: Somebody does. With `SO_REUSEPORT` alone, two servers of one user would
            share their callers without a word.
        ConfigurationError: The host is no address of this machine.
    """
    sockets = bind_sockets(host, port, ListenerSettings())
    port = int(sockets[0].getsockname()[1])
    for sock in sockets:
        sock.close()
    return port


def _check_picklable(serve: Callable[[Worker], None]) -> None:
    try:
        pickle.dumps(serve)
    except Exception as exc:
        raise ConfigurationError(
            "with several workers, the bot must be a function at the top of a module, and all "
            f"arguments picklable: {exc}"
        ) from exc
