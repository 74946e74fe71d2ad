"""What all tests share."""

import signal
from pathlib import Path
from typing import Any

import pytest

# A shell that starts `make test &` has Ctrl-C ignored in it, and in all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(__file__).parent / "data"


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run each test that is marked `anyio` on both event loops."""
    return request.param
