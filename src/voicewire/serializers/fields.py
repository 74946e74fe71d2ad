"""Taking what is needed out of a provider's JSON, which may hold anything."""

import binascii
from typing import Any

from voicewire.errors import FrameDecodeError
from voicewire.serializers.strict_json import decode_json

Message = dict[str, Any]
"""A decoded JSON object."""

MAX_ID_CHARS = 256
"""The longest identifiers of real providers have about a hundred."""


MAX_ERROR_CODE = 10**9


def decode_object(text: str) -> Message:
    """Return the JSON object in `text`.

    Raises:
        FrameDecodeError: "not_an_object", or what `decode_json` raises.
    """
    value = decode_json(text)
    if not isinstance(value, dict):
        raise FrameDecodeError("not_an_object", "the JSON is no object; expected one")
    return value


def object_at(message: Message, name: str) -> Message:
    """Return the object in a field.

    Raises:
        FrameDecodeError: "missing_field".
    """
    value = message.get(name)
    if not isinstance(value, dict):
        raise FrameDecodeError("missing_field", f"{name}: expected an object")
    return value


def optional_object_at(message: Message, name: str) -> Message:
    """Return the object in a field, an empty one where there is none."""
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def id_at(message: Message, name: str) -> str:
    """Return the identifier in a field.

    Raises:
        FrameDecodeError: "missing_field", or "invalid_field" for one that is too long, or of dots
            alone, which would lead out of a URL's path.
    """
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise FrameDecodeError("missing_field", f"{name}: expected a string")
    if not value.strip("."):
        raise FrameDecodeError("invalid_field", f"{name}: expected an identifier, not dots")
    if len(value) > MAX_ID_CHARS:
        message_ = f"{name}: {len(value)} characters; expected at most {MAX_ID_CHARS}"
        raise FrameDecodeError("invalid_field", message_)
    return value


def text_at(message: Message, *names: str) -> str | None:
    """Return the first of some fields that holds text; None where none does."""
    for name in names:
        value = message.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def rate_at(message: Message, name: str, default: int) -> int:
    """Return a sample rate, which may come as a string, or the default where the field is not.

    Raises:
        FrameDecodeError: "invalid_field".
    """
    value = message.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise FrameDecodeError("invalid_field", f"{name}: expected a number of hertz") from None


def shown_code_at(message: Message, name: str) -> str:
    """Return a provider's error number for a log: nothing else of what it says."""
    code = message.get(name)
    return str(code) if isinstance(code, int) and abs(code) < MAX_ERROR_CODE else "without a number"


def base64_at(message: Message, name: str) -> bytes:
    """Return the bytes in a field.

    Raises:
        FrameDecodeError: "missing_field" or "invalid_base64".
    """
    value = message.get(name)
    if not isinstance(value, str):
        raise FrameDecodeError("missing_field", f"{name}: expected a string of base64")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as exc:  # binascii.Error, and characters beyond ASCII
        raise FrameDecodeError("invalid_base64", f"{name}: not base64: {exc}") from None
