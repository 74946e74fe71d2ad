"""Serving as a program: until it is told to end, by one process or several."""

import asyncio
import contextlib
import functools
import gc
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from voicewire.errors import ConfigurationError
from voicewire.pipeline.signals import WATCHES
from voicewire.sessions.limits import Limits
from voicewire.sessions.server import VoiceServer, check_server_arguments, default_params
from voicewire.sessions.session import Bot
from voicewire.sessions.shared_port import SharedPort
from voicewire.sessions.systemd import Notifier, inherited_sockets
from voicewire.sessions.worker import YIELD_SECS, Worker
from voicewire.sessions.workers import check_workers, run_workers
from voicewire.transports import WebsocketServerParams
from voicewire.transports.sockets import adopt_socket, bind_sockets
from voicewire.transports.tls import load_context
from voicewire.transports.websocket import listener_settings

logger = logging.getLogger(__name__)

DRAIN_SECS = 10.0
"""How long SIGTERM lets the turns under way take."""

SAME_SIGNAL_SECS = 0.5
"""A signal that follows another this soon is the same wish: a terminal or a service manager tells
both a worker and its supervisor, and that one passes it on."""

COLLECTOR_THRESHOLDS = (50_000, 20, 100)
"""For `gc.set_threshold`; CPython 3.11 begins with (700, 10, 10)."""

SPARE_FILES = 1024
"""File descriptors for all but callers and handshakes: 256 connections in their closing handshake,
256 of plain HTTP, models, logs, and what bots open."""


def serve(
    bot: Bot,
    host: str = "localhost",
    port: int = 8765,
    params: WebsocketServerParams | None = None,
    limits: Limits | None = None,
    *,
    workers: int = 1,
    prepare: Callable[[], Awaitable[object]] | None = None,
    on_ready: Callable[[str], None] | None = None,
    drain_secs: float = DRAIN_SECS,
    reload_secs: float | None = None,
) -> None:
    """Serve a bot to many callers, until SIGINT (Ctrl-C) or SIGTERM.

    SIGINT ends at once. SIGTERM lets nobody in any more and gives the turns under way `drain_secs`:
    a caller's question is answered, and bots finish what they are saying; a second one ends at
    once. uvloop is used where it is installed. Under systemd, its sockets are used where it has
    opened any, and it is told when callers are let in.

    With several workers, the module of `bot` is imported in each, so `bot`, `prepare` and `params`
    must be picklable, and a script calls `serve` under `if __name__ == "__main__":`. The workers
    share the callers evenly; one that dies is replaced. SIGHUP replaces all of them, one after the
    other, by fresh processes, without a lost call.

    Args:
        bot: `async def bot(transport)`, called once for each caller.
        host: Address to listen on. `"localhost"` is this machine alone, `"0.0.0.0"` all networks.
        port: Port to listen on; 0 picks a free one, which `on_ready` tells.
        params: What each caller's transport does; None is audio both ways with Silero's voice
            activity detection.
        limits: How many callers, and for how long, in all workers together; None is `Limits()`.
        workers: Processes that listen on the port. More than one is not for Windows.
        prepare: Awaited in each process before callers are let in, when the port is bound: to load
            models.
        on_ready: Called with the URL when callers are let in, in this process.
        drain_secs: How long SIGTERM lets the turns under way take.
        reload_secs: How long the calls of a worker may go on that SIGHUP has replaced, until it
            drains as by SIGTERM; None is to their natural end.

    Raises:
        AddressInUseError: Somebody else listens on the port.
        ConfigurationError: An argument is not what it should be.
        WorkerError: The workers cannot start.
    """
    params = params if params is not None else default_params()
    limits = limits if limits is not None else Limits()
    check_server_arguments(bot, port, params, limits)
    _check_secs("drain_secs", drain_secs)
    if reload_secs is not None:
        _check_secs("reload_secs", reload_secs)
    serve_worker = _WorkerServer(bot, host, params, limits, prepare, drain_secs, reload_secs)
    if workers != 1:
        check_workers(workers, serve_worker)
    notifier = Notifier.from_environment()
    given = inherited_sockets()
    if workers == 1:
        server = VoiceServer(
            bot,
            host=host,
            port=port,
            params=params,
            limits=limits,
            prepare=prepare,
            shared_port=SharedPort(given, is_queue_kept=True) if given else None,
        )
        run_server(server, drain_secs, on_ready, notifier)
        return
    settings = listener_settings(params)
    if settings.tls is not None:
        load_context(settings.tls)  # What is wrong with it is better told once than by each worker.
    for sock in given:
        adopt_socket(sock, settings)
    serve_worker.is_queue_kept = bool(given)
    run_workers(
        serve_worker,
        workers,
        sockets=given or bind_sockets(host, port, settings),
        limits=limits,
        drain_secs=drain_secs,
        on_ready=on_ready,
        notifier=notifier,
    )


def _check_secs(name: str, secs: object) -> None:
    if not isinstance(secs, int | float) or not 0 <= secs < math.inf:
        raise ConfigurationError(f"{name} is {secs!r}; expected seconds, from 0")


def run_server(
    server: VoiceServer,
    drain_secs: float,
    on_ready: Callable[[str], None] | None = None,
    notifier: Notifier | None = None,
    *,
    worker: Worker | None = None,
    reload_secs: float | None = None,
) -> None:
    """Run a server in this process until a signal ends it, or it is a worker and retires."""
    limits = server.limits
    _allow_files(limits.max_sessions + limits.max_pending_handshakes + SPARE_FILES)
    life = _run_server(server, drain_secs, on_ready, notifier or Notifier(), worker, reload_secs)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(life)
        if server.sessions:
            _leave_at_once()


async def _run_server(
    server: VoiceServer,
    drain_secs: float,
    on_ready: Callable[[str], None] | None,
    notifier: Notifier,
    worker: Worker | None,
    reload_secs: float | None,
) -> None:
    told_to_end: asyncio.Queue[signal.Signals] = asyncio.Queue(maxsize=2)
    with _listening_to_signals(told_to_end), _saying_alive(notifier):
        starting = asyncio.ensure_future(server.start())
        told = asyncio.ensure_future(told_to_end.get())
        retiring = asyncio.ensure_future(_retire_when_told(server, worker, reload_secs))
        await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            retiring.cancel()
            await asyncio.wait((starting,))
            return
        try:
            starting.result()
            _make_collections_rare()
            notifier.ready()
            if on_ready is not None:
                on_ready(server.url)
            if worker is not None:
                worker.tell_ready(server.url)
            await asyncio.wait((told, retiring), return_when=asyncio.FIRST_COMPLETED)
            notifier.stopping()
            if told.done() and told.result() is not signal.SIGTERM:
                return
            draining = asyncio.ensure_future(server.stop(drain_secs=drain_secs))
            again = asyncio.ensure_future(told_to_end.get()) if told.done() else told
            await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
        finally:
            told.cancel()
            retiring.cancel()
            await server.stop()


async def _retire_when_told(
    server: VoiceServer, worker: Worker | None, reload_secs: float | None
) -> None:
    told = asyncio.Event()
    if worker is not None:
        loop = asyncio.get_running_loop()
        worker.on_retire = functools.partial(loop.call_soon_threadsafe, told.set)
    await told.wait()
    await server.retire(within_secs=reload_secs)


@contextlib.contextmanager
def _saying_alive(notifier: Notifier) -> Iterator[None]:
    """Tell the service manager that the event loop turns, as often as it wants."""

    async def say() -> None:
        while notifier.alive_every_secs is not None:
            notifier.alive()
            await asyncio.sleep(notifier.alive_every_secs)

    saying = asyncio.ensure_future(say())
    try:
        yield
    finally:
        saying.cancel()


@contextlib.contextmanager
def _listening_to_signals(told: "asyncio.Queue[signal.Signals]") -> Iterator[None]:
    told_at = -math.inf
    told_last: signal.Signals | None = None

    def tell(number: signal.Signals) -> None:
        nonlocal told_at, told_last
        now = time.monotonic()
        is_same = number is told_last and now - told_at <= SAME_SIGNAL_SECS
        if not is_same and not told.full():
            told_at, told_last = now, number
            told.put_nowait(number)

    for watch in WATCHES.values():
        watch.add(tell)
    try:
        yield
    finally:
        for watch in WATCHES.values():
            watch.remove(tell)


class _WorkerServer:
    """What each worker runs: picklable, and so a class."""

    def __init__(
        self,
        bot: Bot,
        host: str,
        params: WebsocketServerParams,
        limits: Limits,
        prepare: Callable[[], Awaitable[object]] | None,
        drain_secs: float,
        reload_secs: float | None,
    ) -> None:
        self.is_queue_kept = False
        self._bot = bot
        self._host = host
        self._params = params
        self._limits = limits
        self._prepare = prepare
        self._drain_secs = drain_secs
        self._reload_secs = reload_secs

    def __call__(self, worker: Worker) -> None:
        places = worker.places(self._limits)

        def accept_delay_secs(num_pending: int) -> float:
            is_above = places.is_above_average(worker.count, num_pending=num_pending)
            return YIELD_SECS if is_above else 0.0

        server = VoiceServer(
            self._bot,
            host=self._host,
            params=self._params,
            limits=self._limits,
            prepare=self._prepare,
            places=places,
            shared_port=SharedPort(
                worker.sockets, self.is_queue_kept, accept_delay_secs, worker.fellows()
            ),
        )
        run_server(server, self._drain_secs, worker=worker, reload_secs=self._reload_secs)


def _leave_at_once() -> None:
    """End the process without waiting for tasks that do not end, as an event loop's end would."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)


def _make_collections_rare() -> None:
    """Spare callers the pauses of the garbage collector, which stops everybody.

    What has been loaded is never looked at again, and what sessions make is looked at less often:
    a full collection with 300 callers took 110 ms, more than their players have buffered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files: a caller is one, and Linux allows 1,024 by default."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
        if most < wanted:
            logger.warning(
                "%d files may be open, and %d are needed where the limits of this server are used "
                "up: raise the hard limit, or lower Limits(max_sessions, max_pending_handshakes)",
                most,
                wanted,
            )


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
