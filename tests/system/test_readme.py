"""What the README shows works."""

import re
import shlex
import sys
from pathlib import Path

import click
import pytest

import voicewire
from voicewire.cli.bot_loading import load_bot
from voicewire.cli.main import main
from voicewire.services.local.smart_turn import SmartTurnAnalyzer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [
    shlex.split(line, comments=True)
    for language, text in BLOCKS
    if language == ""
    for line in text.splitlines()
]


def test_the_bot_can_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_bot.py").write_text(PYTHON[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load_bot("my_bot:bot").__name__ == "bot"


def test_the_transport_can_be_made() -> None:
    names = {name: getattr(voicewire, name) for name in voicewire.__all__}
    (program,) = (text for text in PYTHON if text.startswith("transport ="))
    exec(program, names)  # noqa: S102 - it is ours
    assert isinstance(names["transport"], voicewire.WebsocketServerTransport)


def test_the_conversation_can_be_made() -> None:
    def find_order(number: int) -> str:
        """Find an order."""
        return str(number)

    names = {name: getattr(voicewire, name) for name in voicewire.__all__}
    names |= {name: voicewire.WakePhraseFilter(["hey"]) for name in ("stt", "llm", "tts")}
    names |= {
        "SYSTEM": "Be brief.",
        "find_order": find_order,
        "SmartTurnAnalyzer": SmartTurnAnalyzer,
        "transport": voicewire.WebsocketServerTransport(),
    }
    (program,) = (text for text in PYTHON if text.startswith("context ="))
    exec(program, names)  # noqa: S102 - it is ours
    assert [tool.name for tool in names["context"].tools.standard_tools] == ["find_order"]


def test_every_command_line_has_options_that_there_are() -> None:
    lines = [words for words in COMMANDS if any(word.endswith("voicewire") for word in words[:2])]
    assert len(lines) >= 3
    for words in lines:
        start = next(n for n, word in enumerate(words) if word.endswith("voicewire"))
        name, *arguments = words[start + 1 :]
        command = main.get_command(click.Context(main), name)
        assert command is not None
        command.make_context(name, arguments)


def test_the_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {words[1] for words in COMMANDS if words[:1] == ["make"]}
    assert targets >= {"serve", "test"}
    for target in targets:
        assert f"\n{target}:" in makefile


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https:)([^)#]+)\)", README))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()
