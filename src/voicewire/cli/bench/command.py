"""`voicewire bench`: how many callers, and how well."""

import json
from pathlib import Path
from typing import cast

import click

from voicewire.cli.bench.connection import is_websocket_url
from voicewire.cli.bench.cores import num_generators, share_cores
from voicewire.cli.bench.dialect import DIALECTS
from voicewire.cli.bench.interruption import Interruption
from voicewire.cli.bench.outcome import Fate
from voicewire.cli.bench.plan import CLIENT_BUFFER_SECS, SCENARIOS, Plan, Scenario
from voicewire.cli.bench.report import run_json
from voicewire.cli.bench.run import Run, RunResult
from voicewire.cli.bench.server_probe import ServerProbe
from voicewire.cli.bench.speech import load_phrases
from voicewire.cli.bench.text import run_lines
from voicewire.cli.console import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandError, note


@click.command()
@click.option("--target", metavar="URL", help="The server; without it one is started.")
@click.option("--sessions", type=click.IntRange(1), default=100, show_default=True)
@click.option("--secs", type=click.FloatRange(0.5), default=30.0, show_default=True)
@click.option(
    "--speech",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Recordings (WAV) for the callers to say.",
)
@click.option("--dialect", type=click.Choice(sorted(DIALECTS)), default="protobuf")
@click.option("--scenario", type=click.Choice(SCENARIOS), default="echo", show_default=True)
@click.option("--server-pid", type=click.IntRange(1), metavar="PID")
@click.option("--processes", type=click.IntRange(1), metavar="N")
@click.option(
    "--client-buffer",
    metavar="SECS",
    type=click.FloatRange(0.0),
    default=CLIENT_BUFFER_SECS,
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def bench(
    target: str | None,
    sessions: int,
    secs: float,
    speech: Path | None,
    dialect: str,
    scenario: str,
    server_pid: int | None,
    processes: int | None,
    client_buffer: float,
    as_json: bool,
) -> None:
    """Call a server with many callers in real time, and measure how well it serves them."""
    if target is None or not is_websocket_url(target):
        fault = f"--target {target}: expected a WebSocket address, such as ws://localhost:8765"
        raise CommandError(fault, exit_code=EXIT_USAGE)
    load_phrases(speech)
    plan = Plan(
        url=target,
        sessions=sessions,
        secs=secs,
        dialect=dialect,
        scenario=cast("Scenario", scenario),
        client_buffer_secs=client_buffer,
        speech=speech,
    )
    cores = share_cores(with_server=False)
    interruption = Interruption()
    with interruption.watching():
        result = Run(
            plan,
            bot=None,
            num_processes=processes or num_generators(sessions, cores),
            cores=cores.generators,
            probe=ServerProbe(server_pid) if server_pid else None,
            interruption=interruption,
            tell=note,
        ).run()
    if as_json:
        click.echo(json.dumps(run_json(result)))
    else:
        click.echo("\n".join(run_lines(result)))
    _exit(result)


def _exit(result: RunResult) -> None:
    if result.was_interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if not any(caller.fate is Fate.SERVED for caller in result.callers):
        raise SystemExit(EXIT_FAILED)
