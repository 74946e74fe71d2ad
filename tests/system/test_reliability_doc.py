"""The page of promises: each line names tests that there are."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/reliability.md"

HEADING = re.compile(r"\| \*\*.+\*\* \| \| \|")


@pytest.mark.parametrize("head", ["| Promise |", "| Fault |"])
def test_every_promise_names_tests_that_there_are(head: str) -> None:
    lines = PAGE.read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(head)]
    assert starts
    for start in starts:
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            if HEADING.fullmatch(line):
                continue
            named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", line)
            assert named, line
            for file, name in named:
                assert f"def {name}(" in (TESTS / file).read_text(), f"{file}::{name}"
