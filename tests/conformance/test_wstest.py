"""How what the suite says is judged."""

import json
from pathlib import Path

import pytest

from tests.conformance import __main__ as runner
from tests.conformance import wstest
from tests.conformance.wstest import ConformanceError, Result, run_cases


def pretend(monkeypatch: pytest.MonkeyPatch, index: dict[str, tuple[str, str]]) -> None:
    """Let the suite report this, of what was said and of the close, without running it."""

    def run(command: list[str], limit_secs: float) -> str:
        spec = json.loads(Path(command[-1]).read_text())
        verdicts = {
            case: {"behavior": said, "behaviorClose": closed}
            for case, (said, closed) in index.items()
        }
        Path(spec["outdir"], "index.json").write_text(json.dumps({wstest.AGENT: verdicts}))
        return ""

    monkeypatch.setattr(wstest, "_run", run)


def test_a_case_is_as_bad_as_the_worse_of_its_two_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = {
        "10.1.1": ("OK", "OK"),
        "7.1.1": ("OK", "WRONG CODE"),
        "6.4.1": ("NON-STRICT", "UNCLEAN"),
        "7.13.1": ("INFORMATIONAL", "OK"),
        "2.1": ("OK", "INFORMATIONAL"),
    }
    pretend(monkeypatch, index)
    assert run_cases("ws://x", ["*"], tmp_path, limit_secs=1.0) == [
        Result("2.1", "INFORMATIONAL"),
        Result("6.4.1", "UNCLEAN"),
        Result("7.1.1", "WRONG CODE"),
        Result("7.13.1", "INFORMATIONAL"),
        Result("10.1.1", "OK"),
    ]


def test_a_suite_that_reports_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wstest, "_run", lambda command, limit_secs: "why")
    with pytest.raises(ConformanceError, match="why"):
        run_cases("ws://x", ["1.*"], tmp_path, limit_secs=1.0)


@pytest.mark.parametrize(
    ("case", "verdict", "plain", "compressed"),
    [
        ("1.1.1", "OK", True, True),
        ("6.4.1", "NON-STRICT", True, True),
        ("7.13.1", "INFORMATIONAL", True, True),
        ("7.1.5", "FAILED", False, False),
        ("1.1.1", "UNIMPLEMENTED", False, False),
        ("12.1.1", "UNIMPLEMENTED", True, False),
        ("12.1.1", "OK", False, True),
        ("13.1.1", runner.MISSING, False, False),
    ],
)
def test_compression_is_to_be_there_where_it_is_on_and_only_there(
    case: str, verdict: str, plain: bool, compressed: bool
) -> None:
    assert Result(case, verdict).is_good(permessage_deflate=False) is plain
    assert Result(case, verdict).is_good(permessage_deflate=True) is compressed


def test_a_case_that_was_never_run_is_named_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, {"7.1.5": ("OK", "OK")})
    monkeypatch.setattr(runner, "REPORTS", tmp_path)
    results: list[Result] = []
    runner.run_groups("default", {"7": ["7.1.5", "7.1.6"]}, "ws://x", results)
    assert runner.report("default", results, permessage_deflate=False) == 1
    assert "case 7.1.6: MISSING" in capsys.readouterr().out


def test_a_section_is_not_taken_for_one_that_begins_like_it() -> None:
    cases = ["1.1.1", "10.1.1", "12.1.1", "12.1.10", "12.2.1"]
    assert [case for case in cases if runner.is_in(case, ["1"])] == ["1.1.1"]
    assert [case for case in cases if runner.is_in(case, ["12.1"])] == ["12.1.1", "12.1.10"]
    assert runner.grouped(cases) == {
        "1": ["1.1.1"],
        "10": ["10.1.1"],
        "12.1": ["12.1.1", "12.1.10"],
        "12.2": ["12.2.1"],
    }
