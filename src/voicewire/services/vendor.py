"""Requests through vendors' own packages: what goes wrong is told, and never with the key."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from voicewire.errors import MissingExtraError, ServiceError

MAX_RETRIES = 1
"""Further attempts of one request: a caller who waits is better served by an error than a third."""

MAX_ERROR_CHARS = 500
"""Of a vendor's words for an error, which may be a whole page of HTML."""


@contextmanager
def telling_plainly(service: str, key: object) -> Iterator[None]:
    """Turn whatever a vendor's package raises into a `ServiceError`.

    Its own exceptions hold the request, and servers repeat the key that they refuse.

    Args:
        service: Whose request it is, in the error.
        key: What must not be told.

    Raises:
        ServiceError: The request failed.
    """
    try:
        yield
    except ServiceError:
        raise
    except Exception as exc:  # noqa: BLE001 - packages leak those of what they are built on
        # From None: a traceback in the log would print the vendor's words after all.
        raise ServiceError(f"{service}: {_in_words(exc, key)}") from None


def import_vendor(package: str, extra: str, *, needed_for: str) -> Any:
    """Return a vendor's package. Takes a good part of a second: not for the event loop.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as exc:
        raise MissingExtraError(package, extra, needed_for=needed_for) from exc


def _in_words(exc: Exception, key: object) -> str:
    text = f"{type(exc).__name__}: {exc}".strip()
    if isinstance(key, str) and key:
        text = text.replace(key, "…")
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]}…"
