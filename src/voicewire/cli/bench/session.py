"""What the command was asked for, put to work: single runs, each with its server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from voicewire.cli.bench.capacity import (
    STEP_HEAD,
    Found,
    Objective,
    Verdict,
    find_capacity,
    step_line,
)
from voicewire.cli.bench.cores import Cores, num_generators
from voicewire.cli.bench.interruption import Interruption
from voicewire.cli.bench.plan import Plan
from voicewire.cli.bench.report import totals_of
from voicewire.cli.bench.run import Run, RunResult
from voicewire.cli.bench.server_probe import ServerProbe
from voicewire.cli.bench.target import Target, own_server


@dataclass(frozen=True, slots=True)
class Bench:
    """How runs are made.

    Attributes:
        plan: What each one does; the number of callers may differ.
        bot: Of a server of our own; None where `plan.url` is somebody else's.
        server_pid: Of somebody else's server, or None.
        cores: Who runs where.
        num_processes: How many generators; None for as many as it takes.
        interruption: Asked all the time.
        tell: Gets what goes on, a line each.
    """

    plan: Plan
    bot: str | None
    server_pid: int | None
    cores: Cores
    num_processes: int | None
    interruption: Interruption
    tell: Callable[[str], None]

    def run(self, num_callers: int) -> RunResult:
        """Run the plan with so many callers; a server of our own is a fresh one.

        Raises:
            CommandError: It could not be done at all.
        """
        plan = replace(self.plan, sessions=num_callers)
        with self._target(num_callers) as target:
            plan = replace(plan, url=target.url)
            result = Run(
                plan,
                bot=target.bot,
                num_processes=self.num_processes or num_generators(num_callers, self.cores),
                cores=self.cores.generators,
                probe=target.probe,
                interruption=self.interruption,
                tell=self.tell,
            ).run()
        if self.cores.note:
            result.notes.append(self.cores.note)
        return result

    def find_capacity(
        self, objective: Objective, *, resolution: float, most: int
    ) -> tuple[list[RunResult], Found]:
        """Search how many callers the server holds; return all steps, and the answer.

        Raises:
            CommandError: A step could not be done at all.
        """
        quiet = replace(self, tell=lambda line: None)
        steps: list[RunResult] = []

        def try_step(num_callers: int) -> Verdict | None:
            result = quiet.run(num_callers)
            steps.append(result)
            if result.was_interrupted:
                return None
            verdict = objective.judge(totals_of(result), num_callers)
            self.tell(step_line(result, verdict))
            return verdict

        def try_twice(num_callers: int) -> Verdict | None:
            """Give a step a second chance that failed, perhaps, by no fault of the server's."""
            verdict = try_step(num_callers)
            return try_step(num_callers) if verdict is Verdict.UNKNOWN else verdict

        self.tell(STEP_HEAD)
        start = self.plan.sessions
        return steps, find_capacity(try_twice, start=start, resolution=resolution, most=most)

    @contextmanager
    def _target(self, num_callers: int) -> Iterator[Target]:
        if self.bot is None:
            probe = ServerProbe(self.server_pid) if self.server_pid else None
            yield Target(self.plan.url, None, probe)
            return
        self.tell(f"starting a server with the bot {self.bot} ...")
        with own_server(self.bot, self.cores, max_sessions=num_callers) as target:
            yield target
