import json
from typing import Any

import pytest

from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.serializers.strict_json import MAX_DEPTH, MAX_JSON_CHARS, decode_json, encode_json


@pytest.mark.parametrize(
    "value", [None, True, 1, 1.5, "Grüße 😀", [], {}, {"a": [1, {"b": None}]}, ["["] * 100]
)
def test_ordinary_json_is_read_and_written(value: Any) -> None:
    assert decode_json(json.dumps(value)) == value
    assert decode_json(encode_json(value)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value at character 0 of 0"),
        ("{", "at character 1 of 1"),
        ("{'a': 1}", "Expecting property name"),
        ("1 2", "Extra data at character 2 of 3"),
        ("[NaN]", "NaN is not a JSON number"),
        ("-Infinity", "-Infinity is not a JSON number"),
        ("1e999", "too large for a 64-bit float"),
        ("1" * 5000, "4300 digits"),
        ('"\\ud83d"', "half of a surrogate pair"),
        ('{"\\uDE00": 1}', "half of a surrogate pair"),
    ],
)
def test_what_is_no_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FrameDecodeError) as caught:
        decode_json(text)
    assert caught.value.kind == "invalid_json"
    assert reason in str(caught.value)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert decode_json('"\\ud83d\\ude00"') == "😀"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 10_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(depth: int, begin: str, end: str) -> None:
    with pytest.raises(FrameDecodeError) as caught:
        decode_json(begin * depth + "1" + end * depth)
    assert caught.value.kind == "deep_json"


def test_nesting_up_to_the_limit_is_taken() -> None:
    decode_json("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH)
    decode_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_breadth_is_not_depth() -> None:
    assert len(decode_json("[" + "[]," * 1000 + "{}]")) == 1001


def test_text_up_to_the_limit_is_taken() -> None:
    assert decode_json('"' + "a" * (MAX_JSON_CHARS - 2) + '"') == "a" * (MAX_JSON_CHARS - 2)


@pytest.mark.parametrize("begin", ["[[],", "[" * 100, '"'], ids=["broad", "deep", "no JSON"])
def test_long_text_is_refused_whatever_it_holds(begin: str) -> None:
    with pytest.raises(FrameDecodeError) as caught:
        decode_json(begin.ljust(MAX_JSON_CHARS + 1))
    assert caught.value.kind == "large_json"
    assert str(caught.value) == "65537 characters of JSON; expected at most 65536"


@pytest.mark.parametrize("value", [float("nan"), {"at": object()}, {(1, 2): 3}, {1, 2}])
def test_what_json_cannot_hold_is_not_written(value: Any) -> None:
    with pytest.raises(FrameEncodeError, match="cannot be written as JSON"):
        encode_json(value)


def test_what_holds_itself_is_not_written() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(FrameEncodeError, match="cannot be written as JSON"):
        encode_json(ring)


def test_endless_nesting_is_not_written() -> None:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(FrameEncodeError, match="nested too deeply"):
        encode_json(deep)
    while deep:  # taken apart by hand: freeing it at once would recurse as deeply
        deep = deep[0]
