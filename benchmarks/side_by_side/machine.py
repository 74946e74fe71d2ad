"""The machine: which core is whose, what it is, and what runs on it."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.peers import ENVIRONMENTS

SERVER_CORE = 0
CALLERS_CORE = 1

SHOWN_VERSIONS = (
    "voicewire", "pipecat-ai", "picows", "uvicorn", "fastapi", "uvloop", "websockets", "numpy",
    "onnxruntime", "protobuf",
)  # fmt: skip


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Start processes within the block that run on one core, with all their threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {sorted(before)[core % len(before)]})
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe() -> dict[str, Any]:
    """Return what a reader must know of the machine and of the programs."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "versions": _versions(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        "unknown",
    )


def _commit() -> str:
    """Return the commit that was measured, with a + where files differ from it; "" without git."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "src"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{head}+" if changed else head


def _versions() -> dict[str, dict[str, str]]:
    """Return the version of each package that matters, by environment."""
    pythons = {"voicewire": Path(sys.executable)}
    pythons |= {environment.name: environment.python for environment in ENVIRONMENTS}
    return {name: _versions_in(python) for name, python in pythons.items() if python.exists()}


def _versions_in(python: Path) -> dict[str, str]:
    ask = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    )
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout
    installed = json.loads(told) if told else {}
    return {name: installed[name] for name in SHOWN_VERSIONS if name in installed}
