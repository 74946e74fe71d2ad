"""Where the suite cannot be had, that is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.wstest import ROOT


@pytest.mark.parametrize(("option", "status"), [([], 1), (["--if-possible"], 0)])
def test_without_debians_tools_it_is_said_what_would_be_needed(
    option: list[str], status: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/make_conformance_env.py", *option],
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    said = done.stdout if option else done.stderr
    assert "without apt-get and dpkg. Use Debian 12 or later" in said
