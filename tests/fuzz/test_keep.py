"""What of a fuzzer's inputs is kept."""

from pathlib import Path

import pytest

from fuzz import inputs
from fuzz.keep import MAX_KEPT_BYTES, keep

POST = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "CORPUS", tmp_path)
    inputs.write_corpus("head", [POST])


def test_what_goes_where_nothing_went_is_kept() -> None:
    assert keep("head", [POST, UPGRADE]) == 1
    assert inputs.read_corpus("head") == [POST, UPGRADE]


def test_of_two_that_go_the_same_way_the_shorter_is_kept() -> None:
    longer = UPGRADE.replace(b"/ ", b"/longer ")
    assert keep("head", [longer, UPGRADE]) == 1
    assert inputs.read_corpus("head") == [POST, UPGRADE]


def test_what_is_long_is_not_kept() -> None:
    assert keep("head", [UPGRADE.replace(b"/ ", b"/" + b"a" * MAX_KEPT_BYTES + b" ")]) == 0
