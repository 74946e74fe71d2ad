import pytest

from voicewire.transports.fragments import (
    MAX_EMPTY_FRAGMENTS,
    MessageAssembler,
    TooManyEmptyFragmentsError,
)


def test_a_message_is_whole_with_its_last_frame() -> None:
    assembler = MessageAssembler()
    assembler.begin(b"a", is_text=True)
    assert not assembler.is_between_messages
    assert assembler.go_on(b"b", is_last=False) is None
    assert assembler.go_on(b"c", is_last=True) == (b"abc", True)
    assert assembler.is_between_messages


def test_empty_frames_without_end_are_refused() -> None:
    assembler = MessageAssembler()
    assembler.begin(b"", is_text=False)
    for _ in range(MAX_EMPTY_FRAGMENTS - 1):
        assembler.go_on(b"", is_last=False)
    with pytest.raises(TooManyEmptyFragmentsError):
        assembler.go_on(b"", is_last=False)


def test_empty_frames_are_counted_for_each_message_anew() -> None:
    assembler = MessageAssembler()
    for _ in range(2):
        assembler.begin(b"", is_text=False)
        for _ in range(MAX_EMPTY_FRAGMENTS - 1):
            assembler.go_on(b"", is_last=False)
        assert assembler.go_on(b"", is_last=True) == (b"", False)


def test_a_message_may_come_in_any_number_of_frames_that_bring_something() -> None:
    assembler = MessageAssembler()
    assembler.begin(b"a", is_text=False)
    for _ in range(2 * MAX_EMPTY_FRAGMENTS):
        assembler.go_on(b"b", is_last=False)
    assert assembler.go_on(b"c", is_last=True) == (
        b"a" + b"b" * 2 * MAX_EMPTY_FRAGMENTS + b"c",
        False,
    )


def test_a_continuation_needs_a_beginning() -> None:
    with pytest.raises(RuntimeError, match="without a beginning"):
        MessageAssembler().go_on(b"", is_last=True)
