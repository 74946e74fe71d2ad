import pytest

from tests.speech import normalise, word_error_rate


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mr. Dashwood, then!", "mister dashwood then"),
        ("cold-hearted", "Cold hearted"),
        ("the 22nd of November", "the twenty second of november"),
        ("the 20th and the 3rd", "the twentieth and the third"),
        ("the 12th", "the twelfth"),
        ("a quarter past 7", "a quarter past seven"),
        ("1,250 people", "one thousand two hundred fifty people"),
        ("it\N{RIGHT SINGLE QUOTATION MARK}s", "it's"),
    ],
)
def test_spelling_makes_no_difference(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_a_perfect_transcript_has_no_errors() -> None:
    assert (
        word_error_rate("Ask not what your country can do.", "ask not what your country can do")
        == 0
    )


@pytest.mark.parametrize(
    "heard",
    [
        "he was an ill disposed man",
        "he was an ill disposed old man",
        "he was ill disposed young man",
    ],
)
def test_each_lost_added_or_replaced_word_is_one_error(heard: str) -> None:
    reference = "he was an ill disposed young man"
    assert word_error_rate(reference, heard) == pytest.approx(1 / 7)


def test_what_is_made_up_can_be_more_than_all() -> None:
    assert word_error_rate("hello", "thanks for watching") == 3.0


def test_silence_is_right_only_if_nothing_was_heard() -> None:
    assert word_error_rate("", "") == 0.0
    assert word_error_rate("", "you") == 1.0
