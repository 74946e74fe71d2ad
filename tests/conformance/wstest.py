"""Run cases of the Autobahn test suite against our echo server, and judge what comes of them."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".autobahn"
AGENT = "voicewire"

GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
"""Verdicts of the suite. NON-STRICT: right, but later than possible. INFORMATIONAL: there is no
right or wrong."""

UNIMPLEMENTED = "UNIMPLEMENTED"
"""The case is about compression, and none was agreed on."""

COMPRESSION_SECTIONS = ("12", "13")

SERVER_EXIT_SECS = 10.0

_LIST_CASES = """
import json
from autobahntestsuite.case import CaseBasename, Cases
print(json.dumps([case.__name__[len(CaseBasename):].replace('_', '.') for case in Cases]))
"""


class ConformanceError(Exception):
    """The suite or the server did not run as it should; the message holds what was written."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case.

    Attributes:
        case: Such as "7.1.5".
        verdict: Of what was said and of how the connection was closed, the one that is not "OK":
            one of `GOOD`, `UNIMPLEMENTED`, or the suite's word for what was wrong, such as "FAILED"
            or "WRONG CODE".
    """

    case: str
    verdict: str

    @property
    def section(self) -> str:
        return self.case.split(".")[0]

    def is_good(self, *, permessage_deflate: bool) -> bool:
        """Return whether this is as it should be, with compression or without."""
        if self.section in COMPRESSION_SECTIONS and not permessage_deflate:
            return self.verdict == UNIMPLEMENTED  # all else would be compression unasked
        return self.verdict in GOOD


def all_cases() -> list[str]:
    """Return the cases that the suite knows, in its order."""
    cases: list[str] = json.loads(_run([str(ENVIRONMENT / "py2"), "-c", _LIST_CASES], 60.0))
    return cases


def run_cases(
    url: str,
    cases: Sequence[str],
    reports: Path,
    *,
    without: Collection[str] = (),
    limit_secs: float,
) -> list[Result]:
    """Run cases in one process of the suite; return what came of those that it got to.

    Args:
        url: Of the echo server.
        cases: Such as "7.1.5", or "7.*".
        reports: A directory for the suite's reports, with what was sent and received.
        without: Cases that are left out.
        limit_secs: How long all of it may take.

    Raises:
        ConformanceError: The suite failed, or took too long.
    """
    spec = {
        "outdir": str(reports),
        "servers": [{"agent": AGENT, "url": url}],
        "cases": list(cases),
        "exclude-cases": list(without),
        "exclude-agent-cases": {},
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "spec.json"
        path.write_text(json.dumps(spec))
        wstest = [str(ENVIRONMENT / "wstest"), "--mode", "fuzzingclient", "--spec", str(path)]
        said = _run(wstest, limit_secs)
    index = reports / "index.json"
    if not index.is_file():
        raise ConformanceError(f"the suite has written no report:\n{said[-2000:]}")
    found = json.loads(index.read_text()).get(AGENT, {})
    return [Result(case, _verdict(found[case])) for case in sorted(found, key=_numbers)]


@contextmanager
def echo_server(*, permessage_deflate: bool) -> Iterator[str]:
    """Serve in a process of its own; yield the URL.

    Raises:
        ConformanceError: At the end, if the server failed, or wrote a warning or a traceback.
    """
    command = [sys.executable, "-m", "tests.conformance.echo_server"]
    if permessage_deflate:
        command.append("--permessage-deflate")
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            if url:
                yield url
            server.stdin.close()
            status = server.wait(SERVER_EXIT_SECS)
        finally:
            server.kill()
        errors.seek(0)
        said = errors.read()
        if status or said or not url:
            raise ConformanceError(f"the echo server ended with {status} and wrote:\n{said}")


def _numbers(case: str) -> list[int]:
    return [int(number) for number in case.split(".")]


def _verdict(report: dict[str, str]) -> str:
    both = (report["behavior"], report["behaviorClose"])
    wrong = [verdict for verdict in both if verdict not in (*GOOD, UNIMPLEMENTED)]
    notable = [verdict for verdict in both if verdict != "OK"]
    return next(iter(wrong + notable), "OK")


def _run(command: list[str], limit_secs: float) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit_secs,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ConformanceError(f"not done within {limit_secs:g} s: {' '.join(command)}") from exc
    if done.returncode:
        raise ConformanceError(
            f"failed with {done.returncode}: {' '.join(command)}\n{done.stdout[-2000:]}"
        )
    return done.stdout
