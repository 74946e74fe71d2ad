"""Standing in for Pipecat within this process, and taking it back."""

import sys
from collections.abc import Iterator

import pytest

import voicewire


@pytest.fixture
def as_pipecat() -> Iterator[None]:
    """Install for one test; the modules made for it are forgotten behind it."""
    finders = list(sys.meta_path)
    voicewire.install_as_pipecat()
    yield
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipecat"]:
        del sys.modules[name]
