import pytest

from voicewire.frames import TTSSentenceFrame, WordTime
from voicewire.transports.spoken import SECS_PER_CHAR, Spoken, heard_of

FOX = "The quick brown fox jumps."
"""26 characters, of which each lasts 0.1 s below."""


def sentence(text: str = FOX, secs: float = 2.6, *, answer_id: int | None = 1) -> TTSSentenceFrame:
    frame = TTSSentenceFrame(text, answer_id=answer_id)
    frame.audio_secs = secs
    frame.is_complete = True
    return frame


@pytest.mark.parametrize(
    ("played_secs", "heard"),
    [
        (0.0, ""),
        (0.1, ""),  # Less than half of "The".
        (0.2, "The"),
        (0.7, "The quick"),
        (1.2, "The quick"),
        (1.3, "The quick brown"),
        (2.6, FOX),
        (9.0, FOX),
    ],
)
def test_a_word_counts_as_heard_when_half_of_it_has_been_played(
    played_secs: float, heard: str
) -> None:
    assert heard_of(sentence(), played_secs) == heard


@pytest.mark.parametrize(
    ("played_secs", "heard"),
    [(0.5, ""), (1.1, "The"), (2.1, "The quick"), (2.4, "The quick brown"), (2.6, FOX)],
)
def test_the_times_of_the_words_count_where_they_are_known(played_secs: float, heard: str) -> None:
    timed = sentence()
    timed.words += [
        WordTime("The", 0.9, 1.1),
        WordTime("quick", 1.9, 2.1),
        WordTime("brown", 2.2, 2.4),
        WordTime("fox", 2.4, 2.5),
        WordTime("jumps", 2.5, 2.6),
    ]
    assert heard_of(timed, played_secs) == heard


def test_what_is_still_being_made_is_taken_to_be_as_long_as_usual() -> None:
    unfinished = sentence(secs=0.3)
    unfinished.is_complete = False
    assert heard_of(unfinished, 10 * SECS_PER_CHAR) == "The quick"


def test_of_an_answer_that_is_cut_all_sentences_are_told() -> None:
    spoken = Spoken()
    first, second, third = sentence("One two."), sentence(), sentence("Never sent.")
    spoken.begin(first, sent_secs=0.0, played_secs=0.0)
    spoken.begin(second, sent_secs=2.6, played_secs=1.0)
    told = spoken.cut(0, 2.6 + 0.7, [third])
    assert [(s.sentence, s.heard) for s in told] == [
        (first, "One two."),
        (second, "The quick"),
        (third, ""),
    ]
    assert spoken.cut(0, 9.0, []) == (), "it begins anew"


def test_what_was_heard_to_its_end_is_no_cut() -> None:
    spoken = Spoken()
    spoken.begin(sentence(), sent_secs=0.0, played_secs=0.0)
    spoken.end(sent_secs=2.6)
    assert spoken.cut(0, 2.6, []) == ()


def test_sentences_of_earlier_answers_are_forgotten_when_they_have_been_heard() -> None:
    spoken = Spoken()
    earlier, later = sentence("One."), sentence(answer_id=2)
    spoken.begin(earlier, sent_secs=0.0, played_secs=0.0)
    spoken.begin(later, sent_secs=2.6, played_secs=2.6)
    assert [s.sentence for s in spoken.cut(0, 2.7, [])] == [later]


def test_the_client_knows_better_where_it_stopped() -> None:
    spoken = Spoken()
    spoken.begin(sentence(), sent_secs=0.0, played_secs=0.0)
    spoken.end(sent_secs=2.6)
    assert spoken.cut(3, 0.7, [])[0].heard == "The quick"
    assert spoken.correct(2, 1.3) == (), "of another stream"
    assert spoken.correct(3, 1.3)[0].heard == "The quick brown"
    assert spoken.correct(3, 2.6) == (), "once"


def test_a_correction_that_changes_nothing_is_not_told() -> None:
    spoken = Spoken()
    spoken.begin(sentence(), sent_secs=0.0, played_secs=0.0)
    spoken.cut(0, 0.7, [])
    assert spoken.correct(0, 0.75) == ()
