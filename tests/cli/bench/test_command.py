import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from tests.cli.bench.bare_server import abort_all, bare_server
from tests.conftest import DATA
from voicewire.cli.main import main
from voicewire.transports.handshake import Rejection

DEADLINE_SECS = 60.0

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bench:
    """A running `voicewire bench`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.progress = ""

    async def wait_for(self, text: str) -> None:
        """Read on until the progress holds `text`."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE_SECS):
            while text not in self.progress:
                line = (await self.process.stderr.readline()).decode()
                assert line, self.progress
                self.progress += line

    async def end(self) -> tuple[int, str]:
        """Return the exit code and stdout."""
        async with asyncio.timeout(DEADLINE_SECS):
            stdout, stderr = await self.process.communicate()
        self.progress += stderr.decode()
        assert "Traceback" not in self.progress, self.progress
        assert self.process.returncode is not None
        return self.process.returncode, stdout.decode()

    async def report(self, exit_code: int = 0) -> dict[str, Any]:
        """Return what `--json` has printed."""
        code, stdout = await self.end()
        assert code == exit_code, self.progress
        report = json.loads(stdout)
        assert isinstance(report, dict)
        return report


@asynccontextmanager
async def benching(*arguments: str) -> AsyncIterator[Bench]:
    """Run the command, and leave nothing of it behind."""
    command = [sys.executable, "-m", "voicewire", "bench", *arguments, "--warm-up", "1"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        yield Bench(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_callers_of_a_server_elsewhere_are_measured() -> None:
    async with bare_server() as listener:
        pid = str(os.getpid())
        target = ["--target", listener.url, "--server-pid", pid]
        async with benching(*target, "--sessions", "5", "--secs", "1", "--json") as run:
            report = await run.report()
    assert (report["target"], report["bot"], report["sessions"]) == (listener.url, None, 5)
    assert abs(report["frames_sent"] - 250) <= 5  # The window's edges fall between two frames.
    assert report["messages_received"] > 0
    assert (report["refused"], report["failed"], report["matched_by_counting"]) == (0, 0, 0)
    assert report["latency_ms"]["p50"] > 0
    assert report["server"]["rss_mb"] > 1
    assert [caller["fate"] for caller in report["callers"]] == ["served"] * 5
    assert all(caller["matched_by"] == "stamps" for caller in report["callers"])


async def test_a_server_of_its_own_echoes_and_the_page_tells_it(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    async with benching("--sessions", "3", "--secs", "1", "--html", str(page)) as run:
        code, stdout = await run.end()
    assert code == 0, run.progress
    assert "3 of 3 callers, 1.0 s, scenario echo" in stdout
    assert "(bot echo)" in stdout
    assert "frame latency" in stdout
    assert "of a core" in stdout
    assert "3 of 3 callers were served" in page.read_text()


async def test_callers_converse_with_a_bot_that_answers(tmp_path: Path) -> None:
    phrase = "sense_0880.wav"
    (tmp_path / phrase).symlink_to(DATA / "speech" / phrase)
    arguments = ["--scenario", "conversation", "--sessions", "2", "--secs", "8", "--json"]
    async with benching(*arguments, "--speech", str(tmp_path)) as run:
        report = await run.report()
    assert report["bot"] == "answer"
    assert report["turns"] >= 2
    assert report["latency_ms"] is None
    assert report["vad_delay_ms"]["p50"] > 0
    assert report["response_ms"]["p50"] > 0
    assert report["barge_in_ms"]["p50"] > 0
    assert report["after_decision_ms"] is not None


async def test_a_search_tells_its_steps() -> None:
    never_missed = ["--max-p99", "1e9", "--max-glitches", "1000000"]
    steps = ["--find-capacity", "--sessions", "1", "--max-sessions", "2", "--secs", "0.5"]
    async with (
        bare_server() as listener,
        benching("--target", listener.url, *steps, *never_missed, "--json") as run,
    ):
        report = await run.report()
    assert (report["capacity"], report["missed_at"]) == (2, None)
    assert [step["sessions"] for step in report["steps"]] == [1, 2]
    assert run.progress.count("held") == 2


async def test_callers_who_are_refused_are_counted_by_status() -> None:
    async with (
        bare_server(admit=lambda _: Rejection(503, "all places are taken")) as listener,
        benching("--target", listener.url, "--sessions", "4", "--json") as run,
    ):
        report = await run.report(exit_code=1)
    assert (report["refused"], report["refusals"]) == (4, {"503": 4})
    assert report["latency_ms"] is None


async def test_a_server_that_is_not_there_is_a_report() -> None:
    async with bare_server() as listener:
        url = listener.url
    async with benching("--target", url, "--sessions", "2", "--json") as run:
        report = await run.report(exit_code=1)
    assert report["failures"] == {"connection refused": 2}


async def test_a_server_that_dies_is_a_report() -> None:
    async with bare_server() as listener:
        target = ["--target", listener.url, "--sessions", "3", "--secs", "1000"]
        async with benching(*target, "--json") as run:
            await run.wait_for("measuring for")
            await abort_all(listener)
            report = await run.report(exit_code=1)
    assert report["failures"] == {"connection lost": 3}
    assert report["secs"] < 1000


async def test_a_server_of_its_own_that_dies_is_a_report_too() -> None:
    async with benching("--sessions", "2", "--secs", "1000", "--json") as run:
        await run.wait_for("measuring for")
        children = psutil.Process(run.process.pid).children(recursive=True)
        (server,) = (child for child in children if _is_listening(child))
        server.kill()
        report = await run.report(exit_code=1)
    assert report["failures"] == {"connection lost": 2}
    assert report["server"] is None
    assert report["notes"] == ["the server's process ended during the run"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interruption_prints_what_there_is(number: signal.Signals) -> None:
    async with bare_server() as listener:
        target = ["--target", listener.url, "--sessions", "3", "--secs", "1000"]
        async with benching(*target, "--json") as run:
            await run.wait_for("measuring for")
            await asyncio.sleep(1.0)
            run.process.send_signal(number)
            report = await run.report(exit_code=130)
    assert report["interrupted"]
    assert 0 < report["secs"] < 1000
    assert report["frames_sent"] > 0


async def test_ctrl_c_reaches_all_processes_and_the_figures_come_all_the_same() -> None:
    async with benching("--sessions", "2", "--secs", "1000", "--json") as run:
        await run.wait_for("measuring for")
        await asyncio.sleep(1.0)
        os.killpg(run.process.pid, signal.SIGINT)
        report = await run.report(exit_code=130)
    assert report["frames_sent"] > 0
    assert report["failures"] == {}


async def test_nothing_is_left_of_a_run_that_is_killed() -> None:
    async with benching("--sessions", "2", "--secs", "1000") as run:
        await run.wait_for("measuring for")
        children = psutil.Process(run.process.pid).children(recursive=True)
        assert len(children) >= 2  # a server and a generator
        run.process.kill()
        await run.process.communicate()
    gone, alive = psutil.wait_procs(children, timeout=DEADLINE_SECS)
    assert len(gone) == len(children)
    assert not alive


async def test_an_interruption_before_the_start_is_an_end_too() -> None:
    async with (
        bare_server() as listener,
        benching("--target", listener.url, "--secs", "1000", "--json") as run,
    ):
        await run.wait_for("connecting")
        run.process.send_signal(signal.SIGINT)
        report = await run.report(exit_code=130)
    assert report["frames_sent"] == 0


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--target", "localhost:8765"], "expected a WebSocket address"),
        (["--target", "ws://localhost:1", "--bot", "echo"], "--bot is for a server that is"),
        (["--server-pid", "1"], "--server-pid is for a server at --target"),
        (["--bot", "nobody:bot"], "there is no module 'nobody'"),
        (["--bot", "eccho"], "expected module:function"),
        (["--scenario", "conversation", "--find-capacity"], "needs --scenario echo"),
        (["--speech", str(DATA)], "no WAV files"),
        (["--sessions", "0"], "--sessions"),
        (["--find-capacity", "--sessions", "9", "--max-sessions", "8"], "more than --max-sessions"),
        (["--target", "ws://localhost:1", "--server-pid", "999999999"], "no such process"),
    ],
)
def test_what_cannot_work_is_one_line(arguments: list[str], fault: str) -> None:
    result = CliRunner().invoke(main, ["bench", *arguments, "--warm-up", "1"])
    assert result.exit_code == 2
    assert fault in result.output


def _is_listening(process: psutil.Process) -> bool:
    return any(one.status == psutil.CONN_LISTEN for one in process.net_connections(kind="tcp"))
