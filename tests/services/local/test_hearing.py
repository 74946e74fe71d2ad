import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.services.local.hearing import (
    collapse_repeats,
    decode_tokens,
    is_looping,
    is_said_twice,
    split_at_pauses,
    without_special_tokens,
)

RATE = 1000


def test_a_short_utterance_stays_whole() -> None:
    samples = np.ones(5 * RATE, np.float32)
    (piece,) = split_at_pauses(samples, RATE, min_secs=5.0, max_secs=5.0)
    assert piece is samples


def test_a_long_utterance_is_cut_in_its_pause() -> None:
    samples = np.ones(15 * RATE, np.float32)
    samples[7 * RATE : 8 * RATE] = 0.01
    first, second = split_at_pauses(samples, RATE, min_secs=5.0, max_secs=10.0)
    assert 7 * RATE < len(first) < 8 * RATE
    assert len(first) + len(second) == len(samples)


def test_of_two_pauses_the_quieter_one_is_taken() -> None:
    samples = np.ones(16 * RATE, np.float32)
    samples[6 * RATE : 6 * RATE + 500] = 0.001
    samples[9 * RATE : 9 * RATE + 500] = 0.1
    first, _ = split_at_pauses(samples, RATE, min_secs=5.0, max_secs=10.0)
    assert 6 * RATE < len(first) < 6 * RATE + 500


@given(st.integers(0, 100_000), st.integers(0, 2**32 - 1))
def test_pieces_put_together_are_the_utterance(num_samples: int, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)
    pieces = split_at_pauses(samples, RATE, min_secs=5.0, max_secs=10.0)
    np.testing.assert_array_equal(np.concatenate(pieces), samples)
    assert all(len(piece) <= 10 * RATE for piece in pieces)
    assert all(len(piece) >= 5 * RATE for piece in pieces[:-1])


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no.",
        "I said it, I said it.",
        "The more the merrier.",
        "It was the best of times, it was the worst of times, it was the age of wisdom.",
        "",
    ],
)
def test_what_people_say_is_no_loop(text: str) -> None:
    assert not is_looping(text)
    assert collapse_repeats(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("you " * 20, "you"),
        ("Thank you. " * 9 + "Bye.", "Thank you. Bye."),
        ("so " + "I'm going to go to the " * 12, "so I'm going to go to the"),
        ("And then, and then. And then, and then and then it rained.", "and then it rained."),
    ],
)
def test_a_loop_is_said_once(text: str, expected: str) -> None:
    assert is_looping(text)
    assert collapse_repeats(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("And so my fellow Americans. And so, my fellow Americans.", True),
        ("No, no. No, no.", False),
        ("Who are you, and who are you?", False),
        ("And so my fellow Americans.", False),
        ("", False),
    ],
)
def test_a_phrase_said_twice_is_worth_a_second_look(text: str, expected: bool) -> None:
    assert is_said_twice(text) is expected


def test_special_tokens_are_no_text() -> None:
    assert without_special_tokens("<|notimestamps|> Hello<|0.00|> there.<|endoftext|>") == (
        "Hello there."
    )
    assert without_special_tokens("2 < 3 | 4 > 1") == "2 < 3 | 4 > 1"


def test_tokens_are_bytes_spelled_as_characters() -> None:
    tokens = ["<|startoftranscript|>", "Hello", "Ġcaf", "Ã", "©", "<|endoftext|>"]
    assert decode_tokens(tokens) == "Hello café"


def test_an_incomplete_character_at_the_end_is_left_out() -> None:
    assert decode_tokens(["caf", "Ã"]) == "caf"
