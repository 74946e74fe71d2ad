from voicewire.transports.marks import MARK_SECS, MAX_MARKS, Marks
from voicewire.transports.playout import PlayoutReport


def test_a_mark_is_set_now_and_then() -> None:
    marks = Marks()
    assert marks.next_name(0.04) is None
    first = marks.next_name(MARK_SECS)
    assert first is not None
    assert marks.next_name(MARK_SECS + 0.04) is None
    assert marks.next_name(2 * MARK_SECS) not in (None, first)


def test_a_mark_that_comes_back_says_what_was_heard() -> None:
    marks = Marks()
    name = marks.next_name(0.5)
    assert name is not None
    assert marks.reached(name, stream_id=3, sent_secs=1.5) == PlayoutReport(3, 0.5, 1.0)
    assert marks.reached(name, stream_id=3, sent_secs=1.5) is None, "it comes back once"


def test_a_mark_stands_for_those_before_it() -> None:
    marks = Marks()
    first, second = (marks.next_name(secs) for secs in (0.5, 0.8))
    assert second is not None
    assert marks.reached(second, stream_id=0, sent_secs=1.0) is not None
    assert first is not None
    assert marks.reached(first, stream_id=0, sent_secs=1.0) is None


def test_marks_of_what_was_dropped_and_those_of_others_say_nothing() -> None:
    marks = Marks()
    name = marks.next_name(0.5)
    assert name is not None
    marks.forget()
    assert marks.reached(name, stream_id=1, sent_secs=0.0) is None
    assert marks.reached("somebody else's", stream_id=1, sent_secs=0.0) is None
    assert marks.next_name(MARK_SECS) is not None, "a new stream begins at 0"


def test_a_provider_that_sends_none_back_costs_no_memory() -> None:
    marks = Marks()
    names = [marks.next_name(0.25 * (i + 1)) for i in range(3 * MAX_MARKS)]
    assert names[0] is not None
    assert marks.reached(names[0], stream_id=0, sent_secs=1.0) is None
    assert names[-1] is not None
    assert marks.reached(names[-1], stream_id=0, sent_secs=500.0) is not None
