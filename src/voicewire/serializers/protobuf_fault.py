"""Finds out what is wrong with a protobuf message, after the parser has refused it.

protobuf's own parser only says "Error parsing message". The wire format is documented at
https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from voicewire.errors import FrameDecodeError
from voicewire.serializers.protos.frames_pb2 import Frame

MAX_FIELDS_EXAMINED = 64
"""Real messages have six. Junk must not buy more of our time than this."""

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10

_FIELDS = Frame.DESCRIPTOR.fields_by_number
_ONEOF_NUMBERS = ", ".join(map(str, sorted(_FIELDS)))


_Descriptor = Any
"""One of protobuf's two implementations; their types have no common base."""


class _Field(NamedTuple):
    """A field as it lies in the message: its tag at `at`, its content in `start` to `end`."""

    number: int
    wire_type: int
    at: int
    start: int
    end: int


def explain_fault(data: bytes) -> FrameDecodeError:
    """Return the error for a message that is no frame.

    Its kind is "truncated", "invalid_utf8", "unknown_frame" or, for all else,
    "malformed_protobuf".
    """
    unknown: _Field | None = None
    try:
        for field in islice(_fields(data, 0, len(data)), MAX_FIELDS_EXAMINED):
            known = _FIELDS.get(field.number)
            if known is None or known.message_type is None:
                unknown = unknown or field
            elif field.wire_type != _LENGTH_DELIMITED:
                raise _wrong_type(field, known)
            else:
                _check_content(data, field, known.message_type)
    except FrameDecodeError as fault:
        return fault
    if unknown is not None:
        return FrameDecodeError(
            "unknown_frame",
            f"unknown oneof field {unknown.number}; expected {_ONEOF_NUMBERS}",
            offset=unknown.at,
        )
    return FrameDecodeError("malformed_protobuf", "not a protobuf message of the type Frame")


def _check_content(data: bytes, frame: _Field, message_type: _Descriptor) -> None:
    for field in islice(_fields(data, frame.start, frame.end), MAX_FIELDS_EXAMINED):
        known = message_type.fields_by_number.get(field.number)
        if known is None:
            continue
        is_number = known.type in (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_UINT32)
        if field.wire_type != (_VARINT if is_number else _LENGTH_DELIMITED):
            raise _wrong_type(field, known)
        if known.type == FieldDescriptor.TYPE_STRING:
            try:
                data[field.start : field.end].decode()
            except UnicodeDecodeError as exc:
                message = f"the text in {message_type.name}.{known.name} is not UTF-8"
                offset = field.start + exc.start
                raise FrameDecodeError("invalid_utf8", message, offset=offset) from None


def _fields(data: bytes, start: int, end: int) -> Iterator[_Field]:
    at = start
    while at < end:
        tag, content = _varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            _, after = _varint(data, content, end)
        elif wire_type == _LENGTH_DELIMITED:
            size, content = _varint(data, content, end)
            after = content + size
        elif wire_type in _FIXED_SIZES:
            after = content + _FIXED_SIZES[wire_type]
        else:
            message = f"field {number} has wire type {wire_type}; expected 0, 1, 2 or 5"
            raise FrameDecodeError("malformed_protobuf", message, offset=at)
        if number == 0:
            message = "a field has the number 0; expected 1 or more"
            raise FrameDecodeError("malformed_protobuf", message, offset=at)
        if after > end:
            message = f"field {number} needs {after - content} bytes, {end - content} are left"
            raise FrameDecodeError("truncated", message, offset=at)
        yield _Field(number, wire_type, at, content, after)
        at = after


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(at, min(end, at + _MAX_VARINT_BYTES)):
        value |= (data[index] & 0x7F) << (7 * (index - at))
        if data[index] < 0x80:
            return value, index + 1
    if end - at < _MAX_VARINT_BYTES:
        raise FrameDecodeError("truncated", "the message ends inside a number", offset=at)
    message = f"a number is longer than {_MAX_VARINT_BYTES} bytes"
    raise FrameDecodeError("malformed_protobuf", message, offset=at)


def _wrong_type(field: _Field, known: _Descriptor) -> FrameDecodeError:
    message = f"field {field.number} ({known.name}) has wire type {field.wire_type}"
    return FrameDecodeError("malformed_protobuf", message, offset=field.at)
