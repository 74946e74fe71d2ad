import pytest

from voicewire.services.local.prompt import (
    EXAMPLES,
    SYSTEM_PROMPT,
    ShortAnswer,
    build_messages,
    opening_messages,
)


def ask(answer: ShortAnswer, *deltas: str) -> str:
    return ("".join(answer.feed(delta) for delta in deltas) + answer.finish()).strip()


def test_a_request_is_the_opening_and_the_question() -> None:
    messages = build_messages([], "Why?")
    assert messages[0] == {"role": "system", "content": SYSTEM_PROMPT}
    assert messages[:-1] == opening_messages()
    assert len(messages) == 2 + 2 * len(EXAMPLES)
    assert messages[-1] == {"role": "user", "content": "Why?"}


def test_history_alternates_between_the_two() -> None:
    messages = build_messages([("one", "two")], "three")
    assert messages[-3:] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]


def test_old_exchanges_go_several_at_a_time() -> None:
    def first_remembered(num_exchanges: int) -> str:
        exchanges = [(f"q{index}", f"a{index}") for index in range(num_exchanges)]
        return build_messages(exchanges, "now")[len(opening_messages())]["content"]

    firsts = [first_remembered(num_exchanges) for num_exchanges in range(1, 11)]
    assert firsts == ["q0"] * 4 + ["q3"] * 3 + ["q6"] * 3


def test_no_conversation_outgrows_the_context() -> None:
    messages = build_messages([("word " * 500, "word " * 500)] * 50, "word " * 500)
    assert sum(len(message["content"]) for message in messages) < 2000


def test_two_sentences_are_let_through() -> None:
    answer = ShortAnswer()
    assert ask(answer, "One", " is", ". Two", " is. ", "Three is. Four") == "One is. Two is."
    assert answer.is_complete


def test_a_sentence_comes_as_soon_as_it_ends() -> None:
    answer = ShortAnswer()
    assert answer.feed("It is 3") == ""
    assert answer.feed(".5 km") == ""
    assert answer.feed(". And") == "It is 3.5 km. "


def test_a_loop_ends_the_answer() -> None:
    answer = ShortAnswer(max_sentences=9)
    assert ask(answer, "I am here. ", "I am here. ", "I am there. ") == "I am here."
    assert answer.is_complete


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        (("Paris.",), "Paris."),
        (("Paris",), "Paris"),
        (("Paris is big. And it has",), "Paris is big."),
        (('She said "yes."',), 'She said "yes."'),
        (("1. Dogs are loyal. 2. Cats are not. 3.",), "Dogs are loyal. Cats are not."),
        ((), ""),
    ],
)
def test_an_unfinished_sentence_is_only_said_where_there_is_no_other(
    deltas: tuple[str, ...], expected: str
) -> None:
    assert ask(ShortAnswer(), *deltas) == expected
