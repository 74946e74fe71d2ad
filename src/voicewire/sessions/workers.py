"""Several processes on one port: started, watched, replaced when one dies, ended together."""

import contextlib
import logging
import os
import pickle
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

from voicewire.auth.used_tokens import SharedUsedTokens
from voicewire.errors import ConfigurationError, WorkerError
from voicewire.sessions.fellows import forward
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import SharedPlaces
from voicewire.sessions.seat import Seat, WorkerProcess
from voicewire.sessions.systemd import Notifier
from voicewire.sessions.worker import ALONE_SECS, END_SIGNALS, RELOAD_SIGNAL, Failure, Worker

logger = logging.getLogger(__name__)

KILL_SECS = 30.0
"""How long workers may take to end, beyond their time to drain; their sessions may take less."""


def check_workers(count: int, serve: Callable[[Worker], None]) -> None:
    """Find what would keep `run_workers` from running them.

    Raises:
        ConfigurationError: There cannot be so many, or not here; or `serve` cannot be pickled.
    """
    if count < 1:
        raise ConfigurationError(f"workers is {count}; expected 1 or more")
    if os.name != "posix":
        raise ConfigurationError(f"workers is {count}; this platform can do no more than 1")
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(f"workers is {count}; outside the main thread it can only be 1")
    try:
        pickle.dumps(serve)
    except Exception as exc:
        raise ConfigurationError(
            "with several workers, the bot must be a function at the top of a module, and all "
            f"arguments picklable: {exc}"
        ) from exc


def run_workers(
    serve: Callable[[Worker], None],
    count: int,
    *,
    sockets: Sequence[socket.socket],
    limits: Limits,
    drain_secs: float,
    on_ready: Callable[[str], None] | None = None,
    notifier: Notifier | None = None,
) -> None:
    """Run `count` workers until SIGINT or SIGTERM, which each of them gets too.

    SIGHUP replaces them, one after the other, by fresh processes: each lets callers in before the
    one whose seat it takes ceases to, and that one ends when its last caller has left. The sockets
    are never closed meanwhile, so no caller is lost.

    Args:
        serve: Run in each process, with SIGTERM and SIGINT left to it.
        count: How many; `check_workers` has found no fault with it, nor with `serve`.
        sockets: The port; they listen, and are closed at the end.
        limits: How many places they share.
        drain_secs: How long SIGTERM lets each of them drain.
        on_ready: Called with the URL when the first worker lets callers in.
        notifier: The service manager, to be told how they do.

    Raises:
        WorkerError: The first worker did not start.
    """
    _Supervisor(serve, count, sockets, limits, drain_secs, on_ready, notifier or Notifier()).run()


class _Supervisor:
    """Starts workers, replaces those that die or are to be renewed, and passes signals on."""

    def __init__(
        self,
        serve: Callable[[Worker], None],
        count: int,
        sockets: Sequence[socket.socket],
        limits: Limits,
        drain_secs: float,
        on_ready: Callable[[str], None] | None,
        notifier: Notifier,
    ) -> None:
        self._serve = serve
        self._sockets = sockets
        self._places_file = SharedPlaces.create(limits)
        self._places = SharedPlaces(self._places_file, limits, worker=0)
        self._used_tokens = SharedUsedTokens.create()
        self._key = secrets.token_bytes(32)
        self._drain_secs = drain_secs
        self._on_ready = on_ready
        self._notifier = notifier
        self._seats = [Seat() for _ in range(count)]
        self._to_renew: list[Seat] = []
        self._retired: list[WorkerProcess] = []
        self._num_started = 0
        self._is_reloading = False
        self._has_been_ready = False
        self._kill_at: float | None = None

    def run(self) -> None:
        """Return when all workers have ended because they were told to."""
        with _waking_up_for_signals() as (wake_up, signals):
            try:
                while True:
                    self._obey(signals)
                    if self._kill_at is None:
                        self._start_missing()
                        self._renew_next()
                    elif not self._processes():
                        return
                    self._wait(wake_up)
            finally:
                self._kill_all()
                self._places.close()
                self._used_tokens.close()
                for sock in self._sockets:
                    sock.close()

    def _processes(self) -> list[WorkerProcess]:
        seated = (each for seat in self._seats for each in (seat.worker, seat.successor))
        return [each for each in (*seated, *self._retired) if each is not None]

    def _start(self) -> WorkerProcess:
        self._num_started += 1
        number = self._num_started

        def make_worker(pipe: Pipe, channel: socket.socket) -> Worker:
            return Worker(
                number,
                count=len(self._seats),
                sockets=self._sockets,
                places_file=self._places_file,
                used_tokens=self._used_tokens,
                to_supervisor=pipe,
                channel=channel,
                key=self._key,
                alone_secs=self._drain_secs + ALONE_SECS,
            )

        return WorkerProcess(self._serve, make_worker, number)

    def _start_missing(self) -> None:
        now = time.monotonic()
        for seat in self._seats:
            if seat.worker is None and seat.start_at <= now:
                seat.worker = self._start()

    def _renew_next(self) -> None:
        """Start a successor, one at a time: models take memory and time to load."""
        if any(seat.successor for seat in self._seats):
            return
        while self._to_renew:
            seat = self._to_renew.pop(0)
            if seat.worker is not None:
                seat.successor = self._start()
                return
        if self._is_reloading and all(self._is_ready(seat) for seat in self._seats):
            self._is_reloading = False
            self._notifier.ready()
            logger.info("all workers have been renewed")

    def _is_ready(self, seat: Seat) -> bool:
        return seat.worker is not None and seat.worker.has_said_ready

    def _wait(self, wake_up: socket.socket) -> None:
        """Wait for a signal, a message, a death, or the time of a start or a kill."""
        processes = self._processes()
        pipes = {each.pipe: each for each in processes if each.pipe is not None}
        channels = {each.channel: each for each in processes if each.channel is not None}
        sentinels = {each.sentinel: each for each in processes}
        ready = wait([wake_up, *pipes, *channels, *sentinels], timeout=self._timeout_secs())
        if self._notifier.alive_every_secs is not None:
            self._notifier.alive()
        if wake_up in ready:
            wake_up.recv(4096)
            return  # The signal comes first: workers that it has ended have not died.
        for each in ready:
            if isinstance(each, int):
                self._died(sentinels[each])
            elif isinstance(each, Pipe):
                self._hear(pipes[each])
            elif isinstance(each, socket.socket):
                self._forward(channels[each])
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_all()

    def _timeout_secs(self) -> float | None:
        now = time.monotonic()
        times = [] if self._kill_at is None else [self._kill_at - now]
        if self._kill_at is None:
            times += [seat.start_at - now for seat in self._seats if seat.worker is None]
        if self._notifier.alive_every_secs is not None:
            times.append(self._notifier.alive_every_secs)
        return max(0.0, min(times)) if times else None

    def _hear(self, worker: WorkerProcess) -> None:
        """Take a worker's message: its URL when it lets callers in, an error when it cannot."""
        said = worker.hear()
        if isinstance(said, Failure):
            if not self._has_been_ready:
                raise WorkerError(f"worker {worker.number} cannot start: {said.message}")
            logger.error("worker %d cannot start: %s", worker.number, said.message)
        elif isinstance(said, str):
            worker.has_said_ready = True
            logger.info("worker %d lets callers in", worker.number)
            self._seat_successor(worker)
            if not self._has_been_ready:
                self._has_been_ready = True
                self._notifier.ready()
                if self._on_ready is not None:
                    self._on_ready(said)

    def _forward(self, worker: WorkerProcess) -> None:
        """Bring the socket of a client that has come back to the worker that it left."""
        if worker.channel is not None:
            processes = self._processes()
            takers = {each.number: each.channel for each in processes if each.channel is not None}
            if not forward(worker.channel, takers):
                worker.close_channel()

    def _seat_successor(self, worker: WorkerProcess) -> None:
        for seat in self._seats:
            if seat.successor is worker:
                before = seat.succeed()
                if before is not None:
                    before.retire()
                    self._retired.append(before)
                    logger.info("worker %d takes over from %d", worker.number, before.number)

    def _died(self, worker: WorkerProcess) -> None:
        while worker.has_more_to_say():
            self._hear(worker)  # What it said before it died.
        self._places.give_back_all(worker.number)
        code = worker.bury()
        if worker in self._retired:
            self._retired.remove(worker)
            logger.log(
                logging.ERROR if code and self._kill_at is None else logging.INFO,
                "worker %d, which was retired, has ended with exit code %s",
                worker.number,
                code,
            )
            return
        for seat in self._seats:
            if seat.successor is worker:
                seat.successor = None
                self._give_up_renewal(worker)
            elif seat.worker is worker:
                seat.mourn(worker)
                self._seated_one_died(worker, code)

    def _give_up_renewal(self, worker: WorkerProcess) -> None:
        if self._kill_at is None:
            self._to_renew.clear()
            self._is_reloading = False
            self._notifier.ready()  # It is over; systemd has no word for a reload that failed.
            logger.error(
                "worker %d has ended before it let callers in; those that are there go on",
                worker.number,
            )

    def _seated_one_died(self, worker: WorkerProcess, code: int | None) -> None:
        if self._kill_at is not None:
            return
        if not self._has_been_ready:
            raise WorkerError(
                f"worker {worker.number} ended with exit code {code} before it let callers in"
            )
        logger.error("worker %d has died, with exit code %s; it is replaced", worker.number, code)

    def _obey(self, signals: list[signal.Signals]) -> None:
        while signals:
            number = signals.pop(0)
            if number is RELOAD_SIGNAL:
                self._reload()
                continue
            if self._kill_at is None:
                self._kill_at = time.monotonic() + KILL_SECS
                self._notifier.stopping()
                if number is signal.SIGTERM:
                    self._kill_at += self._drain_secs
            for worker in self._processes():
                worker.tell(number)

    def _reload(self) -> None:
        if self._kill_at is not None or not self._has_been_ready:
            return
        logger.info("%s received: the workers are renewed", RELOAD_SIGNAL.name)
        self._notifier.reloading()
        self._is_reloading = True
        self._to_renew = list(self._seats)

    def _kill_all(self) -> None:
        for worker in self._processes():
            worker.kill()
            worker.bury()
        self._retired.clear()
        for seat in self._seats:
            seat.worker = seat.successor = None


@contextlib.contextmanager
def _waking_up_for_signals() -> Iterator[tuple[socket.socket, list[signal.Signals]]]:
    """Collect the signals; the socket becomes readable when there is one."""
    signals: list[signal.Signals] = []
    before = {
        number: signal.signal(number, lambda got, _: signals.append(signal.Signals(got)))
        for number in (*END_SIGNALS, RELOAD_SIGNAL)
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
