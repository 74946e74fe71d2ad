"""One run: generator processes, the window, the server's cost."""

import multiprocessing
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import numpy as np

from voicewire.cli.bench.generator import Connected, Go, Stop, run_generator
from voicewire.cli.bench.interruption import Interruption, deaf_children
from voicewire.cli.bench.outcome import CallerOutcome, Floats, Share
from voicewire.cli.bench.plan import Plan, Window
from voicewire.cli.bench.server_probe import ServerCost, ServerProbe
from voicewire.cli.console import CommandError

GO_DELAY_SECS = 0.3
"""From the order to speak to the first frame, so that all processes have heard it."""

POLL_SECS = 0.1
"""How often an interruption is looked for."""

END_SECS = 15.0
"""How long a generator may take to tell what it has, after it should."""


@dataclass(slots=True, eq=False)
class RunResult:
    """What a run measured.

    Attributes:
        plan: What it was to do.
        bot: Name of the server's bot, or None for a server of somebody else's.
        callers: All of them, by number.
        window: What was measured; shorter than planned where the run was cut short.
        late_secs: How much later than scheduled each frame was sent.
        generator_cpu_percent: Of a core, by the busiest generator.
        server: What it cost; None where that could not be seen.
        notes: What the reader must know.
        was_interrupted: Whether the user ended it.
    """

    plan: Plan
    bot: str | None
    callers: list[CallerOutcome]
    window: Window
    late_secs: Floats
    generator_cpu_percent: float
    server: ServerCost | None
    notes: list[str] = field(default_factory=list)
    was_interrupted: bool = False


class Run:
    """Runs a plan against a server that is already there.

    Args:
        plan: What to do.
        bot: The server's bot, for the report.
        num_processes: How many generators.
        cores: What they may run on; empty for all.
        probe: Looks at the server; None where it is out of sight.
        interruption: Asked all the time.
        tell: Gets what goes on, a line each.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        bot: str | None,
        num_processes: int,
        cores: frozenset[int],
        probe: ServerProbe | None,
        interruption: Interruption,
        tell: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._bot = bot
        self._num_processes = num_processes
        self._cores = cores
        self._probe = probe
        self._interruption = interruption
        self._tell = tell
        self._notes: list[str] = []

    def run(self) -> RunResult:
        """Do it all.

        Raises:
            CommandError: A generator process died.
        """
        idle_mb = self._probe.rss_mb() if self._probe else 0.0
        with ExitStack() as stack:
            pipes = [stack.enter_context(_generator(*args)) for args in self._shares()]
            self._tell(f"connecting {self._plan.sessions} callers to {self._plan.url} ...")
            num_open = self._await_connected(pipes)
            cost = None
            if num_open and not self._interruption.is_wanted:
                cost = self._measure(pipes, num_open, idle_mb)
            if not num_open or self._interruption.is_wanted:
                _send(pipes, Stop())
            shares = [_receive_share(pipe) for pipe in pipes]
        return self._merge(shares, cost)

    def _shares(self) -> "list[tuple[Plan, list[int], frozenset[int]]]":
        step = self._num_processes
        numbers = [list(range(i, self._plan.sessions, step)) for i in range(step)]
        return [(self._plan, mine, self._cores) for mine in numbers if mine]

    def _await_connected(self, pipes: list[Connection]) -> int:
        waiting, num_open = list(pipes), 0
        while waiting and not self._interruption.is_wanted:
            for pipe in wait(waiting, timeout=POLL_SECS):
                assert isinstance(pipe, Connection)  # noqa: S101 - we gave it no others
                message = _receive(pipe)
                assert isinstance(message, Connected)  # noqa: S101 - it says nothing else first
                num_open += message.num_open
                waiting.remove(pipe)
        return num_open

    def _measure(self, pipes: list[Connection], num_open: int, idle_mb: float) -> ServerCost | None:
        plan = self._plan
        start_at = time.monotonic() + GO_DELAY_SECS
        _send(pipes, Go(start_at))
        self._tell(f"{num_open} connected; warming up for {plan.warm_up_secs:g} s")
        window_at = start_at + plan.warm_up_secs
        self._wait_until(window_at, pipes)
        started_at, cpu_before = time.monotonic(), self._cpu_secs()
        self._tell(f"measuring for {plan.secs:g} s")
        self._wait_until(window_at + plan.secs, pipes)
        if self._probe is None or time.monotonic() <= window_at:
            return None
        rss_mb = self._probe.rss_mb()
        if not rss_mb:
            self._notes.append("the server's process ended during the run")
            return None
        return ServerCost(
            cpu_secs=self._cpu_secs() - cpu_before,
            window_secs=time.monotonic() - started_at,
            rss_idle_mb=idle_mb,
            rss_mb=rss_mb,
        )

    def _cpu_secs(self) -> float:
        return self._probe.cpu_secs() if self._probe else 0.0

    def _wait_until(self, at: float, pipes: list[Connection]) -> None:
        """Wait, but not for a run that is over: interrupted, or without a server."""
        while not self._interruption.is_wanted:
            rest_secs = at - time.monotonic()
            if rest_secs <= 0 or len(wait(pipes, timeout=min(rest_secs, POLL_SECS))) == len(pipes):
                return

    def _merge(self, shares: list[Share], cost: ServerCost | None) -> RunResult:
        callers = [caller for share in shares for caller in share.callers]
        window = max((share.window for share in shares), key=lambda window: window.secs)
        busiest = max(share.cpu_secs / (share.window.secs or 1.0) for share in shares)
        return RunResult(
            plan=self._plan,
            bot=self._bot,
            callers=sorted(callers, key=lambda caller: caller.number),
            window=window,
            late_secs=np.concatenate([share.late_secs for share in shares]),
            generator_cpu_percent=100 * busiest,
            server=cost,
            notes=self._notes,
            was_interrupted=self._interruption.is_wanted,
        )


class _generator:  # noqa: N801 - a context manager that reads like a function
    """A generator process and our end of its pipe; nothing of it is left behind."""

    def __init__(self, plan: Plan, numbers: list[int], cores: frozenset[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=run_generator, args=(plan, numbers, set(cores), theirs), name="generator"
        )
        with deaf_children():
            self._process.start()
        theirs.close()

    def __enter__(self) -> Connection:
        return self._pipe

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(timeout=1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _send(pipes: list[Connection], order: Go | Stop) -> None:
    for pipe in pipes:
        try:
            pipe.send(order)
        except OSError as exc:
            raise CommandError("a generator process died") from exc


def _receive(pipe: Connection) -> object:
    try:
        return pipe.recv()
    except (EOFError, OSError) as exc:
        raise CommandError("a generator process died") from exc


def _receive_share(pipe: Connection) -> Share:
    """Return the generator's last word; what it says before that has lost its meaning."""
    deadline = time.monotonic() + END_SECS
    while pipe.poll(max(0.0, deadline - time.monotonic())):
        message = _receive(pipe)
        if isinstance(message, Share):
            return message
    raise CommandError(f"a generator process has not told its figures within {END_SECS:g} s")
