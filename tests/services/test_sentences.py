import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.services.sentences import SentenceSplitter


def split(text: str, size: int = 1) -> list[str]:
    splitter = SentenceSplitter()
    sentences = []
    for start in range(0, len(text), size):
        sentences += splitter.add(text[start : start + size])
    return [*sentences, *splitter.flush()]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. How are you?", ["Hello there.", "How are you?"]),
        ("It costs 3.14 dollars. Really!", ["It costs 3.14 dollars.", "Really!"]),
        ("Dr. Smith met J. K. Rowling. Nice.", ["Dr. Smith met J. K. Rowling.", "Nice."]),
        ("Wait, what?! No.", ["Wait, what?!", "No."]),
        ("I live at No. 5. You?", ["I live at No. 5.", "You?"]),
        ("one\ntwo\n\nthree", ["one", "two", "three"]),
        ("So do I. You too.", ["So do I.", "You too."]),
        ("no end", ["no end"]),
        ("  \n ", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_is_split_by_the_sentence_however_it_arrives(
    text: str, sentences: list[str], size: int
) -> None:
    assert split(text, size) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("你好。你是谁？我很好！", ["你好。", "你是谁？", "我很好！"]),
        ("これはペンです。あれは本です。", ["これはペンです。", "あれは本です。"]),
        ("आप कैसे हैं। मैं ठीक हूँ।", ["आप कैसे हैं।", "मैं ठीक हूँ।"]),
    ],
)
def test_other_scripts_have_their_own_marks(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_a_sentence_comes_out_as_soon_as_white_space_follows_it() -> None:
    splitter = SentenceSplitter()
    assert splitter.add("Hello Dr. ") == []
    assert splitter.add("Jones is here.") == []
    assert splitter.add(" ") == ["Hello Dr. Jones is here."]


@given(st.text(alphabet="aI.!? \n\"'", max_size=60), st.integers(1, 7))
def test_no_character_is_lost(text: str, size: int) -> None:
    assert "".join("".join(split(text, size)).split()) == "".join(text.split())
