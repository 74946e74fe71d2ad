"""Serving as a program: until it is told to end, by one process or several."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from voicewire.pipeline.signals import WATCHES
from voicewire.sessions.limits import Limits
from voicewire.sessions.server import VoiceServer, check_server_arguments, default_params
from voicewire.sessions.session import Bot
from voicewire.sessions.worker import Worker
from voicewire.sessions.workers import run_workers
from voicewire.transports import WebsocketServerParams

DRAIN_SECS = 10.0
"""How long SIGTERM lets bots finish what they are saying."""

SAME_SIGNAL_SECS = 0.5
"""A signal that follows another this soon is the same wish: a terminal or a service manager tells
both a worker and its supervisor, and that one passes it on."""

COLLECTOR_THRESHOLDS = (50_000, 20, 100)
"""For `gc.set_threshold`; CPython 3.11 begins with (700, 10, 10)."""

SPARE_FILES = 256
"""File descriptors for all but the callers: models, logs, HTTP connections."""


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
) -> None:
    """Serve a bot to many callers, until SIGINT (Ctrl-C) or SIGTERM.

    SIGINT ends at once. SIGTERM lets nobody in any more and gives bots `drain_secs` to finish what
    they are saying; a second one ends at once. uvloop is used where it is installed.

    With several workers, the module of `bot` is imported in each, so `bot`, `prepare` and `params`
    must be picklable, and a script calls `serve` under `if __name__ == "__main__":`. The kernel
    spreads the callers over the workers; one that dies is replaced.

    Args:
        bot: `async def bot(transport)`, called once for each caller.
        host: Address to listen on. `"localhost"` is this machine alone, `"0.0.0.0"` all networks.
        port: Port to listen on; 0 picks a free one, which `on_ready` tells.
        params: What each caller's transport does; None is audio both ways with Silero's voice
            activity detection.
        limits: How many callers, and for how long, in all workers together; None is `Limits()`.
        workers: Processes that listen on the port. More than one needs `SO_REUSEPORT`, so not
            Windows.
        prepare: Awaited in each process before callers are let in, when the port is bound: to load
            models.
        on_ready: Called with the URL when callers are let in, in this process.
        drain_secs: How long SIGTERM lets bots finish.

    Raises:
        AddressInUseError: Somebody else listens on the port.
        ConfigurationError: An argument is not what it should be.
        WorkerError: The workers cannot start.
    """
    if workers == 1:
        server = VoiceServer(
            bot, host=host, port=port, params=params, limits=limits, prepare=prepare
        )
        run_server(server, drain_secs, on_ready)
        return
    params = params if params is not None else default_params()
    limits = limits if limits is not None else Limits()
    check_server_arguments(bot, port, params, limits)
    serve_worker = _WorkerServer(bot, host, params, limits, prepare, drain_secs)
    run_workers(serve_worker, workers, host=host, port=port, limits=limits, on_ready=on_ready)


def run_server(
    server: VoiceServer, drain_secs: float, on_ready: Callable[[str], None] | None = None
) -> None:
    """Run a server in this process until a signal ends it."""
    _allow_files(server.limits.max_sessions + SPARE_FILES)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run_server(server, drain_secs, on_ready))
        if server.sessions:
            _leave_at_once()


async def _run_server(
    server: VoiceServer, drain_secs: float, on_ready: Callable[[str], None] | None
) -> None:
    told_to_end: asyncio.Queue[signal.Signals] = asyncio.Queue(maxsize=2)
    with _listening_to_signals(told_to_end):
        starting = asyncio.ensure_future(server.start())
        told = asyncio.ensure_future(told_to_end.get())
        await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
            return
        try:
            starting.result()
            _make_collections_rare()
            if on_ready is not None:
                on_ready(server.url)
            number = await told
            if number is not signal.SIGTERM:
                return
            draining = asyncio.ensure_future(server.stop(drain_secs=drain_secs))
            again = asyncio.ensure_future(told_to_end.get())
            await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
        finally:
            told.cancel()
            await server.stop()


@contextlib.contextmanager
def _listening_to_signals(told: "asyncio.Queue[signal.Signals]") -> Iterator[None]:
    told_at = -math.inf

    def tell(number: signal.Signals) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at > SAME_SIGNAL_SECS and not told.full():
            told_at = now
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
    ) -> None:
        self._bot = bot
        self._host = host
        self._params = params
        self._limits = limits
        self._prepare = prepare
        self._drain_secs = drain_secs

    def __call__(self, worker: Worker) -> None:
        server = VoiceServer(
            self._bot,
            host=self._host,
            port=worker.port,
            params=self._params,
            limits=self._limits,
            prepare=self._prepare,
            reuse_port=True,
            places=worker.places(self._limits),
        )
        run_server(server, self._drain_secs, worker.tell_ready)


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


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
