"""What a voice gets to say."""

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicewire.errors import MissingExtraError
from voicewire.processors.text_filters import EmojiFilter, MarkdownTextFilter

MARKDOWN = st.text(
    st.one_of(st.sampled_from("*_`~[]()!<>&#|+-=.:\\\n \t1ab;/\"'"), st.characters()), max_size=60
)
EMOJI = st.text(
    st.sampled_from("a1#*. \n©™👍👩🏽🇩🇪❤↔♀\u200d\ufe0e\ufe0f\u20e3\U000e0067\U000e007f"),
    max_size=30,
)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**bold** and _italics_ and *stars*", "bold and italics and stars"),
        ("***both*** ~~gone~~", "both gone"),
        ("call `print()` now", "call print() now"),
        ("see [the docs](https://a.example/b_c) please", "see the docs please"),
        ("![a cat](cat.png)", "a cat"),
        ("<https://a.example>", "https://a.example"),
        ("## Lunch", "Lunch"),
        ("- soup", "soup"),
        ("* soup", "soup"),
        ("- [x] soup", "soup"),
        ("1. soup", "1. soup"),
        ("2) soup", "2) soup"),
        ("1.", "1."),
        ("> so he said", "so he said"),
        ("---", ""),
        ("Title\n===", "Title"),
        ("| soup | 3 euros |", "soup, 3 euros"),
        (r"| a \| b | c |", "a | b, c"),
        ("|---|:-:|", ""),
        ("--- | ---", ""),
        ("| a | b |\n|---|---|\n| 1 | **2** |", "a, b.\n1, 2"),
        ("a | b\n--- | ---\n1 | 2", "a, b.\n1, 2"),
        ("# Menu\n\n- soup\n- bread!\n\nEnjoy", "Menu.\nsoup.\nbread!\nEnjoy"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("```python", ""),
        ("Fish &amp; chips", "Fish & chips"),
        ("one<br>two <b>three</b>", "one\ntwo three"),
        (r"\*\*so\*\*", "so"),
    ],
)
def test_the_marks_of_markdown_go_and_the_words_stay(text: str, spoken: str) -> None:
    assert MarkdownTextFilter().filter(text) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "5*3*2 is 30",
        "a * b * c",
        "some_snake_case_name",
        "if a < b and c > d",
        "if a<b and c>d",
        "It was -5 degrees, at 10 - 12 o'clock.",
        "[Note]: be careful",
        'Wait <break time="1s"/> for it',
        "C# and A|B",
        "about ~5 people",
    ],
)
def test_what_is_no_markdown_stays_as_it_is(text: str) -> None:
    assert MarkdownTextFilter().filter(text) == text


def test_code_blocks_are_dropped_where_asked_for() -> None:
    text = "Try this:\n```python\nprint(1)\n```\nDone."
    assert MarkdownTextFilter(drops_code_blocks=True).filter(text) == "Try this:\nDone."


def test_a_code_block_is_dropped_that_comes_sentence_by_sentence() -> None:
    markdown = MarkdownTextFilter(drops_code_blocks=True)
    sentences = ["Look:", "~~~~py", "x = 1", "~~~", "y", "~~~~", "Nice."]
    assert [markdown.filter(each) for each in sentences] == ["Look:", "", "", "", "", "", "Nice."]


def test_an_answer_that_breaks_off_in_code_does_not_silence_the_next() -> None:
    markdown = MarkdownTextFilter(drops_code_blocks=True)
    assert markdown.filter("```") == ""
    markdown.reset()
    assert markdown.filter("Hello.") == "Hello."


def test_code_within_a_line_is_no_block() -> None:
    markdown = MarkdownTextFilter(drops_code_blocks=True)
    assert markdown.filter("```x = 1``` it is") == "x = 1 it is"


def test_what_markdown_needs_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[text\]"):
        MarkdownTextFilter()


@given(MARKDOWN)
@example("&amp;amp;amp;lt;")
@example("*" * 60)
@example("> " * 30)
def test_filtering_markdown_twice_is_filtering_it_once(text: str) -> None:
    markdown = MarkdownTextFilter()
    once = markdown.filter(text)
    assert markdown.filter(once) == once


@given(MARKDOWN)
def test_dropping_code_blocks_leaves_none_to_drop(text: str) -> None:
    once = MarkdownTextFilter(drops_code_blocks=True).filter(text)
    assert MarkdownTextFilter(drops_code_blocks=True).filter(once) == once


@given(st.text(st.characters(categories=["Lu", "Ll", "Nd", "Zs"]), max_size=60))
def test_no_word_is_lost(text: str) -> None:
    assert MarkdownTextFilter().filter(text).split() == text.split()


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello 👋 there", "Hello there"),
        ("Great! 🎉🎉", "Great!"),
        ("🎉 Yes", "Yes"),
        ("Hi 👋🏽!", "Hi!"),
        ("The family 👨‍👩‍👧‍👦 eats", "The family eats"),
        ("In 🇩🇪 and 🏴󠁧󠁢󠁳󠁣󠁴󠁿 now", "In and now"),
        ("I ❤️ you, I ❤ you", "I you, I you"),
        ("Nodding 🙂‍↔️ no", "Nodding no"),
        ("Press 1️⃣ or #️⃣", "Press 1 or #"),
        ("this 👉 that➡️other", "this that other"),
        ("one 🎉\ntwo", "one\ntwo"),
        ("🎉", ""),
    ],
)
def test_emoji_go_with_the_space_around_them(text: str, spoken: str) -> None:
    assert EmojiFilter().filter(text) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "Call 555-0100 #2 *3",
        "© 2024 Acme™ ®",
        "a → b ↔ c",
        "F♯ and B♭",
        "naïve 你好 नमस्ते",
        " a  b ",
    ],
)
def test_what_is_no_emoji_stays_as_it_is(text: str) -> None:
    assert EmojiFilter().filter(text) == text


@given(st.one_of(EMOJI, st.text()))
def test_filtering_emoji_twice_is_filtering_them_once(text: str) -> None:
    once = EmojiFilter().filter(text)
    assert EmojiFilter().filter(once) == once


@given(st.one_of(EMOJI, st.text()))
def test_no_letter_is_lost_with_emoji(text: str) -> None:
    def letters(of: str) -> list[str]:
        return [each for each in of if unicodedata.category(each)[0] in "LN"]

    assert letters(EmojiFilter().filter(text)) == letters(text)
