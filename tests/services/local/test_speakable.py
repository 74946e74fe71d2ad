import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.services.local.speakable import speakable


@pytest.mark.parametrize(
    "text",
    [
        "Hello there. How are you?",
        "It costs $3.50, or 50% more.",
        "Mr. Smith's twenty-one cats; all of them (nearly).",
        "Use C++ or 2 + 2 = 4.",
        "",
    ],
)
def test_plain_sentences_stay_as_they_are(text: str) -> None:
    assert speakable(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The **capital** of *France* is __Paris__.", "The capital of France is Paris."),
        ("***Really*** ~~not~~ `code`.", "Really not code."),
        ("# Title\n\nText.", "Title.\nText."),
        ("Two things:\n- first\n* second\n\nDone.", "Two things:\nfirst.\nsecond.\nDone."),
        ("> quoted", "quoted"),
        ("one\n\n---\n\ntwo", "one.\ntwo"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b.\n1, 2"),
        ("see snake_case here", "see snake case here"),
        ("<b>bold</b> and <br/> break", "bold and break"),
        ("a stray * or _ or `", "a stray or or"),
    ],
)
def test_markdown_loses_its_marks(text: str, expected: str) -> None:
    assert speakable(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Visit https://www.example.com/a/b?c=1#d, please.", "Visit example.com, please."),
        ("Visit (http://docs.python.org:8080/3/).", "Visit (docs.python.org)."),
        ("Visit www.example.com.", "Visit example.com."),
        ("Read [the manual](https://example.com/m.html) first.", "Read the manual first."),
        ("![a cat](cat.png)", "a cat"),
        ("Broken http://[::1 address", "Broken address"),
    ],
)
def test_an_address_is_its_host_and_a_link_its_text(text: str, expected: str) -> None:
    assert speakable(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well... I am not sure... maybe", "Well, I am not sure, maybe"),
        ("It ended... Then it rained.", "It ended. Then it rained."),
        ("Wait…", "Wait."),
        ("...and then", "and then"),
        ("Really...?", "Really?"),
        ("Stop!!! Now?!", "Stop! Now?"),
        ("...", ""),
    ],
)
def test_an_ellipsis_is_a_pause(text: str, expected: str) -> None:
    assert speakable(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Great 😀👍🏽!", "Great!"),
        ("A family 👨‍👩‍👧 here", "A family here"),
        ("Flag 🇩🇪 and 1️⃣", "Flag and 1"),
        ("It is 20 °C.", "It is 20 °C."),
        ("🎉", ""),
        ("zero\u200bwidth\x00", "zerowidth"),
    ],
)
def test_pictures_are_not_said(text: str, expected: str) -> None:
    assert speakable(text) == expected


@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more_that_is_said(text: str) -> None:
    once = speakable(text)
    assert not set(once) & set("*`~|{}<>_")
    assert once == "" or any(character.isalnum() for character in once)


@pytest.mark.parametrize(
    "piece", ["*a ", "[", "[a](", "<a", ". ", "  ", "http://", "|", "_a", "…", "`"]
)
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    speakable(piece * 3000)
    assert time.process_time() - started < 1.0
