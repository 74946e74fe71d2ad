import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.cli.printable import json_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("What is the time?", "What is the time?"),
        ("\x1b[2J\x1b]52;c;cm0=\x07", r"\x1b[2J\x1b]52;c;cm0=\x07"),
        ("\x9b31mred", r"\x9b31mred"),
        ("bot: yes\r\nbot: no", r"bot: yes\r\nbot: no"),
        ("one\u2028two\x7f\0", r"one\u2028two\x7f\x00"),
        ("\u202eevil", r"\u202eevil"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text", ["Größe", "C'est l'heure\xa0!", "今\u3000日", "نمی\u200cشود", "👩\u200d🚒", "e\u0301"]
)
def test_writing_stays_as_it_is(text: str) -> None:
    assert printable(text + "\x1b") == text + r"\x1b"
    assert json_line([text + "\x1b"]) == f'["{text}\\u001b"]'


@given(st.text(st.characters()))
def test_json_stays_the_same_value_and_holds_nothing_to_obey(text: str) -> None:
    line = json_line({text: [text]})
    assert json.loads(line) == {text: [text]}
    assert printable(line) == line


def test_json_of_an_astral_character_a_lone_surrogate_and_del_can_be_read() -> None:
    text = "\U000e0041 \ud800 \x7f"
    line = json_line(text)
    assert line == r'"\udb40\udc41 \ud800 \u007f"'
    assert json.loads(line) == text
