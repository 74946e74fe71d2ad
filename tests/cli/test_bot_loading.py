import sys
from pathlib import Path

import pytest

from voicewire.cli.bot_loading import load_bot
from voicewire.cli.console import CommandError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current directory, from which bots can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def refusal(spec: str) -> str:
    with pytest.raises(CommandError) as caught:
        load_bot(spec)
    assert caught.value.exit_code == 2
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(f"--bot {spec}: ")
    return message.removeprefix(f"--bot {spec}: ")


def test_a_bot_of_the_current_directory_is_found(here: Path) -> None:
    (here / "bot_that_is_fine.py").write_text("async def talk(transport): pass\n")
    assert load_bot("bot_that_is_fine:talk").__name__ == "talk"


@pytest.mark.parametrize("spec", ["bot", "module:", ":bot", ""])
def test_what_is_no_module_and_function_is_refused(spec: str) -> None:
    assert refusal(spec) == "expected module:function, such as my_bot:bot"


def test_a_file_is_refused_with_its_modules_name() -> None:
    assert refusal("bots/mine.py:bot") == "that names a file; name the module: mine:bot"


def test_a_module_that_does_not_exist_is_named(here: Path) -> None:
    assert refusal("no_such_module_here:bot") == "there is no module 'no_such_module_here'"


def test_a_module_that_lacks_a_package_is_told_from_one_that_does_not_exist(here: Path) -> None:
    (here / "bot_that_lacks.py").write_text("import no_such_package\n")
    assert "cannot be imported: ModuleNotFoundError" in refusal("bot_that_lacks:bot")


def test_a_module_that_fails_is_told_with_its_error(here: Path) -> None:
    (here / "bot_that_fails.py").write_text("1 / 0\n")
    fault = refusal("bot_that_fails:bot")
    assert fault == (
        "the module 'bot_that_fails' cannot be imported: ZeroDivisionError: division by zero"
    )


def test_a_function_that_does_not_exist_is_told_with_the_nearest_one(here: Path) -> None:
    (here / "bot_misspelt.py").write_text("async def greeter(transport): pass\n")
    fault = refusal("bot_misspelt:greter")
    assert fault == ("the module 'bot_misspelt' has no function 'greter'; did you mean 'greeter'?")


def test_a_function_that_is_not_async_is_refused(here: Path) -> None:
    (here / "bot_not_async.py").write_text("def bot(transport): pass\n")
    assert refusal("bot_not_async:bot") == "'bot' is not an `async def` function"


def test_a_missing_extra_is_told_with_the_command_that_installs_it(here: Path) -> None:
    (here / "bot_without_extra.py").write_text(
        "from voicewire.errors import MissingExtraError\n"
        "raise MissingExtraError('hibari', 'local', needed_for='the voice')\n"
    )
    with pytest.raises(CommandError) as caught:
        load_bot("bot_without_extra:bot")
    assert caught.value.exit_code == 1
    assert 'pip install "voicewire[local]"' in caught.value.message
    assert "make serve" in caught.value.message
