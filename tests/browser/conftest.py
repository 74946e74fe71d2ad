"""What the tests in a browser share."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.browser.chromium import find_chromium
from tests.browser.pages import serving_stock_page
from tests.browser.sounds import load_models


@pytest.fixture(scope="session", autouse=True)
def _chromium_is_there() -> None:
    if find_chromium() is None:
        pytest.fail("no Chromium: python scripts/make_browser_env.py installs it, or says how")


@pytest.fixture(scope="session", autouse=True)
def _models_are_loaded() -> None:
    """Load them before a microphone is opened whose recording does not wait."""
    load_models()


@pytest.fixture(scope="session")
def stock_page() -> Iterator[Callable[[str], str]]:
    """Return where a page with a version of Pipecat's client is served."""
    with contextlib.ExitStack() as stack:
        yield lambda version: stack.enter_context(serving_stock_page(version))
