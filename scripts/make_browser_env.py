"""Get what the tests in a browser need: the packages of `package-lock.json`, and a Chromium.

Packages are installed again only when the lock file has changed. Chromium is the one that is on the
machine; where there is none, and this is root on Debian or Ubuntu, it is installed::

    .venv/bin/python scripts/make_browser_env.py
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "package-lock.json"
INSTALLED = ROOT / "node_modules/installed-package-lock.json"
"""What is installed; written last, so that an installation that was interrupted is made anew."""

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT = ["apt-get", "-o", "Dpkg::Use-Pty=0", "-qq"]


def main() -> int:
    return install_packages() or install_chromium()


def install_packages() -> int:
    if INSTALLED.is_file() and INSTALLED.read_bytes() == LOCK.read_bytes():
        return 0
    print("installing the packages of the talk page and of Pipecat's clients", flush=True)
    npm = [sys.executable, str(ROOT / "scripts/npm.py")]
    # No package's own scripts: they would fetch from elsewhere.
    done = subprocess.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], check=False)
    if done.returncode == 0:
        shutil.copyfile(LOCK, INSTALLED)
    return done.returncode


def install_chromium() -> int:
    if os.environ.get("VOICEWIRE_CHROMIUM") or any(map(shutil.which, CHROMIUMS)):
        return 0
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("installing Chromium", flush=True)
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*APT, "update"], env=quiet, check=False)
        done = subprocess.run([*APT, "install", "-y", "chromium"], env=quiet, check=False)
        if done.returncode == 0:
            return 0
    print(
        "The tests in a browser need Chromium: apt install chromium on Debian or Ubuntu, "
        "brew install chromium on macOS; or name one in VOICEWIRE_CHROMIUM.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
