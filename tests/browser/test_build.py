"""The files in the wheel are what the sources make."""

import subprocess
import sys
from pathlib import Path

from voicewire.transports.pages import WEB

ROOT = Path(__file__).parents[2]
NPM = [sys.executable, str(ROOT / "scripts/npm.py"), "--silent"]


def test_the_built_page_is_that_of_the_sources(tmp_path: Path) -> None:
    subprocess.run([*NPM, "run", "build", "--workspace", "voicewire-client"], check=True)
    build = ["run", "build", "--workspace", "voicewire-playground", "--", "--outDir", str(tmp_path)]
    subprocess.run([*NPM, *build], check=True)
    assert _contents(WEB) == _contents(tmp_path), "the page has changed: make web"


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
