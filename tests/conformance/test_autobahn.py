"""The quick cases of the Autobahn test suite; `make conformance` runs all of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.wstest import ENVIRONMENT, ROOT, echo_server, run_cases

QUICK = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "12.1.1", "13.3.1")
"""The first seven sections are without compression: the suite does not offer it there."""

SLOW = ("5.19", "5.20", "6.4.*")
"""Those that wait for a second or two."""

NUM_QUICK = 242
LIMIT_SECS = 100.0


@pytest.fixture(scope="module", autouse=True)
def suite() -> None:
    """See to it that the suite is there; without Debian's tools, the tests are skipped."""
    script = [sys.executable, "scripts/make_conformance_env.py", "--if-possible"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stderr)
    if not (ENVIRONMENT / "wstest").is_file():
        pytest.skip(done.stdout.strip())


def test_the_quick_cases_are_passed(tmp_path: Path) -> None:
    with echo_server(permessage_deflate=True) as url:
        results = run_cases(url, QUICK, tmp_path, without=SLOW, limit_secs=LIMIT_SECS)
    assert [each for each in results if not each.is_good(permessage_deflate=True)] == []
    assert len(results) == NUM_QUICK
