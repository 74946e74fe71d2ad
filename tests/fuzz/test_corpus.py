"""The fuzzer's inputs again, and its harness, without the fuzzer."""

from collections.abc import Sequence

import pytest

from fuzz.inputs import Message, join_messages, read_corpus, split_messages
from fuzz.seeds import seeds
from fuzz.targets import TARGETS, replay
from fuzz.wires import WireTarget
from voicewire.errors import FrameDecodeError
from voicewire.frames import Frame, TextFrame
from voicewire.serializers import FrameSerializer


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_has_come_is_understood_or_refused_and_harms_nobody(name: str) -> None:
    replay(name, read_corpus(name))


@pytest.mark.parametrize("name", TARGETS)
def test_the_inputs_that_are_kept_hold_the_published_messages(name: str) -> None:
    assert set(seeds()[name]) <= set(read_corpus(name))


@pytest.mark.parametrize(
    "messages",
    [[], ["hello"], [b"\x00\xff"], ["a", b"b", "c"], ["", b""], ['{"event": "stop"}', b"\n"]],
)
def test_an_input_stands_for_a_conversation(messages: list[Message]) -> None:
    assert split_messages(join_messages(messages)) == messages


def test_bytes_before_the_first_mark_are_a_message() -> None:
    assert split_messages(b"junk\xffThello") == [b"junk", "hello"]


def test_text_is_made_utf_8() -> None:
    assert split_messages(b"\xffT\x80") == ["\ufffd"]


class Careless(FrameSerializer):
    """Makes the mistakes that the fuzzer looks for."""

    shared: list[str] = []  # noqa: RUF012 - that is the mistake

    def __init__(self) -> None:
        self.is_deaf = False

    def serialize(self, frame: Frame) -> str | None:
        return "\ud800" if self.is_deaf else None

    def deserialize(self, data: bytes | str) -> Frame | None:
        if data == "raise":
            raise KeyError(data)
        if data == "refuse":
            self.is_deaf = True
            raise FrameDecodeError("refused", "no")
        if data == "share":
            self.shared.append("something")
        if data == "number":
            return 1  # type: ignore[return-value]
        return None if self.is_deaf else TextFrame(f"{data!r}{self.shared}")


def _say_hello(_: FrameSerializer) -> Sequence[Message]:
    return ["hello"]


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("raise", "raise"),
        ("number", "int is no frame"),
        ("refuse", "what is said is not understood"),
        ("share", "another caller was touched"),
    ],
)
def test_the_harness_finds_what_a_serializer_must_not_do(message: str, found: str) -> None:
    Careless.shared.clear()
    run = WireTarget(Careless(), _say_hello)
    run(join_messages(["fine"]))
    with pytest.raises((AssertionError, KeyError), match=found):
        run(join_messages([message]))


def test_the_harness_finds_traces_of_what_was_refused() -> None:
    run = WireTarget(Careless(), _say_hello)
    with pytest.raises(AssertionError, match="a refused message counts"):
        run(join_messages(["refuse", "fine"]))
