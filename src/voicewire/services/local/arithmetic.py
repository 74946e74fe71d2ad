"""Sums as people say them: "twelve times seven", "what is 10 divided by 4". Pure."""

import operator
import re
from fractions import Fraction

NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS_WORDS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUE_OF_WORD = {word: value for value, word in enumerate(NUMBER_WORDS)}
_VALUE_OF_WORD |= {word: 20 + 10 * index for index, word in enumerate(TENS_WORDS)}
_VALUE_OF_WORD |= {"a": 1, "an": 1}
_SCALE_OF_WORD = {"hundred": 100, "thousand": 1000, "million": 1_000_000}

_OPERATION_OF_WORD = {
    "plus": "plus", "+": "plus", "and": "plus",
    "minus": "minus", "-": "minus",
    "times": "times", "multiplied by": "times", "x": "times", "*": "times",
    "divided by": "divided by", "over": "divided by", "/": "divided by", "÷": "divided by",
}  # fmt: skip
_OPERATOR = re.compile(
    r"\s*(\b(?:plus|minus|times|multiplied by|x|divided by|over)\b|(?<![a-z])-|[+*/÷])\s*"
)
_RESULT_OF_OPERATION = {
    "plus": operator.add,
    "minus": operator.sub,
    "times": operator.mul,
    "divided by": operator.truediv,
}
_AND = re.compile(r"\s*\b(and)\b\s*")
_DIGITS = re.compile(r"\d{1,9}(?:\.\d{1,6})?|\.\d{1,6}")
_QUESTION = re.compile(
    r"(?:(?:what|how much) (?:is|are|makes?|does|equals) |calculate |compute )?"
    r"(.+?)(?: (?:is|make|makes|equal|equals)| =)?"
)
_MAX_DECIMALS = 3


def solve(text: str) -> str | None:
    """Return the answer to a sum of two numbers, such as "12 times 7 is 84"; None if it is none.

    Args:
        text: Lower case, without punctuation but for what belongs to numbers and operators.
    """
    if text.startswith("add "):
        parts = _AND.split(text.removeprefix("add "), maxsplit=1)
    else:
        match = _QUESTION.fullmatch(text)
        parts = _OPERATOR.split(match.group(1)) if match else []
    if len(parts) != len(("number", "operator", "number")):
        return None
    left, right = parse_number(parts[0]), parse_number(parts[2])
    if left is None or right is None:
        return None
    operation = _OPERATION_OF_WORD[parts[1]]
    if operation == "divided by" and right == 0:
        return "Nothing can be divided by zero."
    result = _RESULT_OF_OPERATION[operation](left, right)
    about = "" if round(result, _MAX_DECIMALS) == result else "about "
    return f"{_spell(left)} {operation} {_spell(right)} is {about}{_spell(result)}."


def parse_number(text: str) -> Fraction | None:
    """Return the number that `text` names in digits or in words; None if it names none."""
    text = text.strip().replace(",", "")
    if _DIGITS.fullmatch(text):
        return Fraction(text)
    total = group = Fraction(0)
    is_number = False
    for word in text.replace("-", " ").split():
        if word in _VALUE_OF_WORD:
            group += _VALUE_OF_WORD[word]
        elif _DIGITS.fullmatch(word) and not group:
            group = Fraction(word)
        elif word == "hundred" and group:
            group *= _SCALE_OF_WORD[word]
        elif word in _SCALE_OF_WORD and group:
            total += group * _SCALE_OF_WORD[word]
            group = Fraction(0)
        elif word != "and" or not is_number:
            return None
        is_number = word not in ("a", "an", "and") or is_number
    return total + group if is_number else None


def _spell(number: Fraction) -> str:
    """Return `number` as a voice reads it: "minus 3", "2.5"."""
    sign = "minus " if number < 0 else ""
    rounded = round(abs(number), _MAX_DECIMALS)
    if rounded.denominator == 1:
        return f"{sign}{rounded.numerator}"
    return f"{sign}{float(rounded):.{_MAX_DECIMALS}f}".rstrip("0")
