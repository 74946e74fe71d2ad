"""The peers, each in an environment of its own, made by uv from pinned requirements."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class PeerError(Exception):
    """An environment could not be made."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A directory with a Python in it.

    Attributes:
        name: Of its requirement file in `benchmarks/peers`.
    """

    name: str

    @property
    def directory(self) -> Path:
        return ROOT / f".bench-venv-{self.name}"

    @property
    def requirements(self) -> Path:
        return ROOT / f"benchmarks/peers/{self.name}.txt"

    @property
    def python(self) -> Path:
        return self.directory / "bin/python"

    def make(self) -> None:
        """Install what the requirements say, unless that has been done.

        Raises:
            PeerError: It did not work; why stands on stderr.
        """
        # Written last, so that an environment that was interrupted is made anew.
        installed = self.directory / "installed-requirements.txt"
        if installed.is_file() and installed.read_bytes() == self.requirements.read_bytes():
            return
        print(f"installing {self.name} into {self.directory.name}", file=sys.stderr, flush=True)
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(self.directory)],
            [*uv, "pip", "sync", "--quiet", "--python", str(self.python), str(self.requirements)],
        ):
            if subprocess.run(command, check=False).returncode:
                raise PeerError(f"failed: {' '.join(command)}")
        shutil.copyfile(self.requirements, installed)


PIPECAT = Environment("pipecat")
PICOWS = Environment("picows")
ENVIRONMENTS = (PIPECAT, PICOWS)
