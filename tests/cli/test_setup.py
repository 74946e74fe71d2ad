from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from voicewire.cli.main import main
from voicewire.errors import MissingExtraError, ModelFileError
from voicewire.services.local import models


def invoke(
    monkeypatch: pytest.MonkeyPatch, install: Callable[[Callable[[str], None]], Path]
) -> tuple[int, str]:
    monkeypatch.setattr(models, "install_models", install)
    result = CliRunner().invoke(main, ["setup"])
    return result.exit_code, result.output


def test_it_tells_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(progress: Callable[[str], None]) -> Path:
        progress("all there")
        return Path("model")

    assert invoke(monkeypatch, install) == (0, "all there\n")


def test_a_damaged_file_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(progress: Callable[[str], None]) -> Path:
        raise ModelFileError("the voice is damaged")

    assert invoke(monkeypatch, install) == (1, "Error: the voice is damaged\n")


def test_a_missing_extra_is_told_with_the_commands_that_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def install(progress: Callable[[str], None]) -> Path:
        raise MissingExtraError("hibari", "local", needed_for="the voice")

    exit_code, output = invoke(monkeypatch, install)
    assert exit_code == 1
    assert 'pip install "voicewire[local]"' in output
    assert "make serve" in output
    assert output.count("\n") == 1


@pytest.mark.local
def test_it_is_quick_where_nothing_is_missing() -> None:
    result = CliRunner().invoke(main, ["setup"])
    assert result.output == "all model files are there and genuine\n"
    assert result.exit_code == 0
