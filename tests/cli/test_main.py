import subprocess
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from voicewire.cli.main import main


def test_it_tells_its_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.output == f"voicewire {version('voicewire')}\n"
    assert result.exit_code == 0


def test_the_help_lists_the_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert all(name in result.output for name in ("serve", "call", "setup"))


@pytest.mark.parametrize("command", ["serve", "call", "setup"])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert f"Usage: main {command}" in result.output


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["sing"])
    assert result.exit_code == 2
    assert "No such command 'sing'" in result.output


def test_python_m_voicewire_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voicewire", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("voicewire ")


def test_a_command_does_not_load_what_the_others_need() -> None:
    code = (
        "import sys, voicewire.cli.main as m; m.main(['--version'], standalone_mode=False);"
        "print([n for n in ('numpy', 'websockets', 'asyncio', 'voicewire.transports')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
