"""Make `.peer-venv`, the environment of the tests marked `peer`: Pipecat, as its users install it.

It is apart from `.venv` because Pipecat brings half a hundred packages, and because the tests are
to show that two programs understand each other, not that they share a library. Made again only
when `tests/peer/requirements.txt` has changed::

    .venv/bin/python scripts/make_peer_env.py
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".peer-venv"
REQUIREMENTS = ROOT / "tests/peer/requirements.txt"
INSTALLED = ENVIRONMENT / "installed-requirements.txt"
"""What the environment holds; written last, so that one that was interrupted is made anew."""


def main() -> int:
    if INSTALLED.is_file() and INSTALLED.read_bytes() == REQUIREMENTS.read_bytes():
        return 0
    print(f"installing Pipecat into {ENVIRONMENT.name}", flush=True)
    uv = [sys.executable, "-m", "uv"]
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    for command in (
        [*uv, "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
        [*uv, "pip", "sync", "--python", str(python), str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, check=False)
        if done.returncode:
            print(f"failed: {' '.join(command)}", file=sys.stderr)
            return done.returncode
    shutil.copyfile(REQUIREMENTS, INSTALLED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
