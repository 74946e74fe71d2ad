"""Where the peer is."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def peer_python() -> Path:
    """Return the Python that has Pipecat; without one, the test is skipped."""
    chosen = os.environ.get("VOICEWIRE_PEER_PYTHON")
    bin_directory = "Scripts" if sys.platform == "win32" else "bin"
    python = Path(chosen) if chosen else ROOT / ".peer-venv" / bin_directory / "python"
    if not python.exists():
        if chosen:
            pytest.fail(f"VOICEWIRE_PEER_PYTHON={chosen}: there is no such file")
        pytest.skip("no .peer-venv: python scripts/make_peer_env.py makes it")
    return python
