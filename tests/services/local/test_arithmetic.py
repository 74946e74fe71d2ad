from fractions import Fraction

import pytest

from voicewire.services.local.arithmetic import parse_number, solve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what is 2 plus 2", "2 plus 2 is 4."),
        ("2+2", "2 plus 2 is 4."),
        ("how much is twelve times seven", "12 times 7 is 84."),
        ("what is six x seven", "6 times 7 is 42."),
        ("five minus seven", "5 minus 7 is minus 2."),
        ("calculate 10 divided by 4", "10 divided by 4 is 2.5."),
        ("what does 10 divided by 3 make", "10 divided by 3 is about 3.333."),
        ("0.1 plus 0.2", "0.1 plus 0.2 is 0.3."),
        ("one hundred and twenty minus twenty-five", "120 minus 25 is 95."),
        ("a thousand plus one", "1000 plus 1 is 1001."),
        ("add two and three", "2 plus 3 is 5."),
        ("5 divided by zero", "Nothing can be divided by zero."),
        ("2 million times 3", "2000000 times 3 is 6000000."),
    ],
)
def test_sums_are_solved(text: str, expected: str) -> None:
    assert solve(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what is five",
        "what is peter and paul",
        "what is love plus hate",
        "add milk and sugar",
        "1 plus 2 plus 3",
        "what is the time",
        "minus",
        "1234567890123 plus 1",
        "a plus b",
    ],
)
def test_what_is_no_sum_of_two_numbers_is_left_alone(text: str) -> None:
    assert solve(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zero", 0),
        ("nineteen", 19),
        ("forty two", 42),
        ("three hundred", 300),
        ("two thousand and six", 2006),
        ("one million two hundred thousand", 1_200_000),
        ("a hundred", 100),
        ("1,000", 1000),
    ],
)
def test_numbers_in_words_and_digits(text: str, expected: int) -> None:
    assert parse_number(text) == Fraction(expected)


@pytest.mark.parametrize("text", ["", "and", "a", "hundred", "cat", "one cat"])
def test_what_is_no_number(text: str) -> None:
    assert parse_number(text) is None
