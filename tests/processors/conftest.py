"""What is tested here knows nothing of the event loop: one of the two is enough."""

from typing import Any

import pytest


@pytest.fixture
def anyio_backend() -> Any:
    return ("asyncio", {"use_uvloop": True})
