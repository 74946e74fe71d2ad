"""The server that is called: somebody else's, or one of our own in a process of its own."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from voicewire.cli.bench.cores import Cores
from voicewire.cli.bench.interruption import deaf_children
from voicewire.cli.bench.server_probe import ServerProbe
from voicewire.cli.console import CommandError

START_SECS = 60.0
"""How long our server may take to load its models and listen."""

STOP_SECS = 15.0
"""How long it may take to end."""

SETTLE_SECS = 0.5
"""From its first word to the measurement of its idle memory."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where callers call.

    Attributes:
        url: The address.
        bot: Who answers; None where we do not know.
        probe: Looks at the process; None where we do not know it.
    """

    url: str
    bot: str | None
    probe: ServerProbe | None


@contextmanager
def own_server(bot: str, cores: Cores, *, max_sessions: int) -> Iterator[Target]:
    """Run a server within the block, its threads all on `cores.server`.

    Args:
        bot: A name in `bots.BOTS`, or `module:function`.
        cores: Where.
        max_sessions: Callers that it lets in.

    Raises:
        CommandError: It did not start. Why stands on stderr.
    """
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(bot, set(cores.server), max_sessions, theirs), name="server"
    )
    with deaf_children():
        process.start()
    theirs.close()
    try:
        url = _await_ready(pipe)
        time.sleep(SETTLE_SECS)
        assert process.pid is not None  # noqa: S101 - it was started above
        yield Target(url, bot, ServerProbe(process.pid))
    finally:
        pipe.close()  # Which tells it to end.
        process.join(timeout=STOP_SECS)
        if process.is_alive():
            process.kill()
            process.join()


def _await_ready(pipe: Connection) -> str:
    try:
        if pipe.poll(START_SECS):
            return str(pipe.recv())
    except EOFError as exc:
        raise CommandError("the server did not start") from exc
    raise CommandError(f"the server did not start within {START_SECS:g} s")


def _serve(bot: str, cores: set[int], max_sessions: int, pipe: Connection) -> None:
    """Be the server's process, until the other end of the pipe is closed."""
    if cores:
        # Before anything starts a thread: threads inherit it.
        os.sched_setaffinity(0, cores)
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # A Ctrl-C is for the parent, which ends us when it has its figures.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from voicewire.cli.bench.bots import BOTS
    from voicewire.cli.bench.plan import SAMPLE_RATE
    from voicewire.cli.bot_loading import load_bot
    from voicewire.sessions import Limits, serve
    from voicewire.transports import WebsocketServerParams
    from voicewire.vad import SileroVADAnalyzer

    built_in = BOTS.get(bot)
    needs_vad = built_in is None or built_in.needs_vad
    params = WebsocketServerParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_out_sample_rate=SAMPLE_RATE,
        vad_analyzer=SileroVADAnalyzer() if needs_vad else None,
    )
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    serve(
        built_in.bot if built_in else load_bot(bot),
        port=0,
        params=params,
        limits=Limits(max_sessions=max_sessions),
        on_ready=pipe.send,
    )


def _end_with(pipe: Connection) -> None:
    """Wait until the parent has let go of us, or is gone."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGINT)
