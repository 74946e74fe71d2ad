"""JSON from and to a peer, without the liberties that Python's own decoder takes."""

import json
import math
from typing import Any, NoReturn

from voicewire.errors import FrameDecodeError, FrameEncodeError

MAX_DEPTH = 64
"""How deeply lists and objects may be nested; real messages stay under ten."""

MAX_JSON_CHARS = 64 * 1024
"""Longer text is not decoded: 64 KiB of brackets take the event loop 12 ms and become 3 MB of
objects, while 1 MiB of them would hold up every other caller for hundreds of milliseconds."""


MAX_LONG_MARKS = 4096
"""Brackets, braces and commas in longer text, where that is decoded."""


def decode_json(text: str, *, may_be_long: bool = False) -> Any:
    """Return the value that `text` holds.

    Refused, beside what is no JSON: text longer than `MAX_JSON_CHARS`; NaN and infinities, also by
    overflow (`1e999`); nesting deeper than `MAX_DEPTH`, which would exhaust the stack of whoever
    walks it; half of a surrogate pair, which no UTF-8 text can hold.

    Args:
        text: What was sent.
        may_be_long: Whether longer text is decoded that is so for its strings, such as audio in
            base64, and not for the number of its values.

    Raises:
        FrameDecodeError: "invalid_json", "deep_json" or "large_json".
    """
    if len(text) > MAX_JSON_CHARS and not (may_be_long and _has_few_values(text)):
        message = f"{len(text)} characters of JSON; expected at most {MAX_JSON_CHARS}"
        raise FrameDecodeError("large_json", message)
    try:
        value = _decoder.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        where = f"character {exc.pos} of {len(text)}"
        raise FrameDecodeError("invalid_json", f"not JSON: {exc.msg} at {where}") from None
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        message = "the JSON holds half of a surrogate pair; expected whole characters"
        raise FrameDecodeError("invalid_json", message) from None
    except ValueError as exc:  # from our own hooks, or an integer of thousands of digits
        raise FrameDecodeError("invalid_json", f"not JSON: {exc}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and not _is_shallow(value):
        raise _too_deep()
    return value


def _has_few_values(text: str) -> bool:
    return sum(map(text.count, "[{,")) <= MAX_LONG_MARKS


def encode_json(value: Any) -> str:
    """Return `value` as JSON text, in ASCII.

    Raises:
        FrameEncodeError: It holds something that JSON cannot.
    """
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError) as exc:
        raise FrameEncodeError(f"the message cannot be written as JSON: {exc}") from exc
    except RecursionError:
        message = "the message cannot be written as JSON: it is nested too deeply"
        raise FrameEncodeError(message) from None


def _is_shallow(value: Any) -> bool:
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, _CONTAINERS)
        ]
        if not level:
            return True
    return False


def _too_deep() -> FrameDecodeError:
    return FrameDecodeError("deep_json", f"the JSON is nested more than {MAX_DEPTH} levels deep")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large for a 64-bit float")
    return number


_CONTAINERS = (list, dict)  # A tuple: `list | dict` would be made anew for each value.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite_float)
_encoder = json.JSONEncoder(allow_nan=False)
