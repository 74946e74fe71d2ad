"""What the tests of records have in common."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
