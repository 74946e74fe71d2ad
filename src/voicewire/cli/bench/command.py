"""`voicewire bench`: how many callers, and how well."""

import json
import math
from pathlib import Path
from typing import cast

import click

from voicewire.cli.bench.bots import BOTS
from voicewire.cli.bench.capacity import Objective, capacity_json, found_line
from voicewire.cli.bench.connection import is_websocket_url
from voicewire.cli.bench.cores import share_cores
from voicewire.cli.bench.dialect import DIALECTS
from voicewire.cli.bench.interruption import Interruption
from voicewire.cli.bench.outcome import Fate
from voicewire.cli.bench.page import Search, run_page, search_page
from voicewire.cli.bench.plan import CLIENT_BUFFER_SECS, SCENARIOS, Plan, Scenario
from voicewire.cli.bench.plots import require_matplotlib
from voicewire.cli.bench.report import run_json
from voicewire.cli.bench.run import RunResult
from voicewire.cli.bench.session import Bench
from voicewire.cli.bench.speech import load_phrases
from voicewire.cli.bench.text import run_lines
from voicewire.cli.bot_loading import load_bot
from voicewire.cli.console import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandError, note

RUN_SECS = 30.0
STEP_SECS = 10.0
"""Of a step of --find-capacity."""

_OBJECTIVE = Objective()
_WARM_UP_SECS = 3.0


@click.command()
@click.option(
    "--target", metavar="URL", help="The server; without it one is started, on a core of its own."
)
@click.option(
    "--bot",
    metavar="NAME",
    help=f"Of the server that is started: {', '.join(BOTS)}, or MODULE:FUNCTION.  "
    "[default: echo, or answer for conversations]",
)
@click.option(
    "--sessions",
    metavar="N",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Callers at once; with --find-capacity those of the first step.",
)
@click.option(
    "--secs",
    type=click.FloatRange(min=0.5),
    help=f"The measured time.  [default: {RUN_SECS:g}; {STEP_SECS:g} with --find-capacity]",
)
@click.option(
    "--warm-up",
    metavar="SECS",
    type=click.FloatRange(min=0.0),
    default=_WARM_UP_SECS,
    show_default=True,
    help="Speech before that, which is not measured.",
)
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default="echo",
    show_default=True,
    help="Echo: speech without a pause, for any bot that echoes. Conversation: phrases, answers, "
    "and callers who cut them off.",
)
@click.option(
    "--speech",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="WAV files for the callers to say, instead of those that come with the package.",
)
@click.option(
    "--dialect",
    type=click.Choice(sorted(DIALECTS)),
    default="protobuf",
    show_default=True,
    help="The wire format.",
)
@click.option(
    "--server-pid",
    metavar="PID",
    type=click.IntRange(1),
    help="With --target: the server's process on this machine, to measure what it costs.",
)
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(1),
    help="Processes that make the callers.  [default: as many as it takes]",
)
@click.option(
    "--client-buffer",
    metavar="SECS",
    type=click.FloatRange(min=0.0),
    default=CLIENT_BUFFER_SECS,
    show_default=True,
    help="What the simulated player gathers before it plays.",
)
@click.option("--find-capacity", is_flag=True, help="Search how many callers the server holds.")
@click.option(
    "--max-p99",
    metavar="MS",
    type=click.FloatRange(min=0.0, min_open=True),
    default=_OBJECTIVE.max_p99_ms,
    show_default=True,
    help="With --find-capacity: the frame latency's 99th percentile stays below.",
)
@click.option(
    "--max-glitches",
    metavar="N",
    type=click.IntRange(0),
    default=_OBJECTIVE.max_glitches,
    show_default=True,
    help="With --find-capacity: no more glitches than these, of all callers together.",
)
@click.option(
    "--resolution",
    metavar="PART",
    type=click.FloatRange(0.01, 0.5),
    default=0.08,
    show_default=True,
    help="With --find-capacity: how exact the answer is.",
)
@click.option(
    "--max-sessions",
    metavar="N",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="With --find-capacity: never more callers than these.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the report as a page, with plots.",
)
def bench(
    target: str | None,
    bot: str | None,
    sessions: int,
    secs: float | None,
    warm_up: float,
    scenario: str,
    speech: Path | None,
    dialect: str,
    server_pid: int | None,
    processes: int | None,
    client_buffer: float,
    find_capacity: bool,
    max_p99: float,
    max_glitches: int,
    resolution: float,
    max_sessions: int,
    as_json: bool,
    html: Path | None,
) -> None:
    """Call a server with many callers in real time, and measure how well it serves them.

    Without --target a server is started, with a bot that does next to nothing, on a core of its
    own. docs/bench.md says what each figure means.

    \b
    voicewire bench --sessions 200
    voicewire bench --bot vad-echo --find-capacity --html report.html
    voicewire bench --target ws://localhost:8765 --server-pid 1234 --json

    \b
    Exit codes: 0, measured; 1, no caller was served to the end;
    2, it was not asked for rightly; 130, interrupted, with the figures until then.
    """  # noqa: D301 - click looks for the character that \b stands for
    bot = _check(target, bot, scenario, server_pid, find_capacity=find_capacity)
    if find_capacity and sessions > max_sessions:
        raise CommandError(
            f"--sessions {sessions} is more than --max-sessions {max_sessions}",
            exit_code=EXIT_USAGE,
        )
    _check_numbers(secs=secs, warm_up=warm_up, client_buffer=client_buffer, max_p99=max_p99)
    if html is not None and not html.absolute().parent.is_dir():
        raise CommandError(f"--html {html}: there is no such directory", exit_code=EXIT_USAGE)
    load_phrases(speech)
    if html is not None:
        require_matplotlib()
    interruption = Interruption()
    a_bench = Bench(
        plan=Plan(
            url=target or "",
            sessions=sessions,
            secs=secs or (STEP_SECS if find_capacity else RUN_SECS),
            warm_up_secs=warm_up,
            dialect=dialect,
            scenario=cast("Scenario", scenario),
            client_buffer_secs=client_buffer,
            speech=speech,
        ),
        bot=bot,
        server_pid=server_pid,
        cores=share_cores(with_server=bot is not None),
        num_processes=processes,
        interruption=interruption,
        tell=note,
    )
    if a_bench.cores.note:
        note(f"note: {a_bench.cores.note}")
    search = None
    with interruption.watching():
        if find_capacity:
            objective = Objective(max_p99, max_glitches)
            steps, found = a_bench.find_capacity(
                objective, resolution=resolution, most=max_sessions
            )
            search = Search(found, objective, steps)
            report = capacity_json(found, objective, steps)
            lines = [found_line(found, objective)]
        else:
            steps = [a_bench.run(sessions)]
            report = run_json(steps[0])
            lines = run_lines(steps[0])
    if html is not None:
        html.write_text(search_page(search) if search else run_page(steps[0]))
    click.echo(json.dumps(report) if as_json else "\n".join(lines))
    _exit(steps)


def _check(
    target: str | None,
    bot: str | None,
    scenario: str,
    server_pid: int | None,
    *,
    find_capacity: bool,
) -> str | None:
    """Return the bot of a server of our own; None where there is none."""
    fault = None
    if target is not None and not is_websocket_url(target):
        fault = f"--target {target}: expected a WebSocket address, such as ws://localhost:8765"
    elif target is not None and bot is not None:
        fault = "--bot is for a server that is started; the one at --target has its own"
    elif target is None and server_pid is not None:
        fault = "--server-pid is for a server at --target"
    elif find_capacity and scenario != "echo":
        fault = "--find-capacity needs --scenario echo: its objective is the frame latency"
    if fault is not None:
        raise CommandError(fault, exit_code=EXIT_USAGE)
    if target is not None:
        return None
    name = bot or ("answer" if scenario == "conversation" else "echo")
    if name not in BOTS:
        load_bot(name)  # What is wrong with it is told before a process fails on it.
    return name


def _check_numbers(**numbers: float | None) -> None:
    """Refuse "nan" and "inf", which are numbers to click."""
    for name, number in numbers.items():
        if number is not None and not math.isfinite(number):
            option = "--" + name.replace("_", "-")
            raise CommandError(f"{option} {number}: expected a number", exit_code=EXIT_USAGE)


def _exit(steps: list[RunResult]) -> None:
    if any(step.was_interrupted for step in steps):
        raise SystemExit(EXIT_INTERRUPTED)
    if not any(caller.fate is Fate.SERVED for step in steps for caller in step.callers):
        raise SystemExit(EXIT_FAILED)
