"""What the commands print is fit for a terminal, whoever has had a say in it."""

import logging

import pytest

from voicewire.cli.console import CommandError, _LineFormatter, say


def test_a_line_of_the_session_is_one_line_without_escapes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say("client connected, path /\x1b[2J\n12:00:00.000  forged")
    printed = capsys.readouterr().out
    assert printed.endswith("  client connected, path /\\x1b[2J\\n12:00:00.000  forged\n")
    assert printed.count("\n") == 1


def test_an_error_is_one_line_without_escapes() -> None:
    error = CommandError("HTTP 403 \x1b[2J\n")
    assert error.format_message() == r"HTTP 403 \x1b[2J\n"


def test_a_log_line_has_no_escapes_and_its_traceback_keeps_its_lines() -> None:
    try:
        raise ValueError("\x1b[2Joops")
    except ValueError as exc:
        record = logging.LogRecord(
            "voicewire", logging.ERROR, "", 0, "from %s", ("a\nb",), (type(exc), exc, None)
        )
    line, *traceback = _LineFormatter(with_traceback=True).format(record).split("\n")
    assert line.endswith(r"  error: from a\nb")
    assert traceback[-1] == r"ValueError: \x1b[2Joops"
