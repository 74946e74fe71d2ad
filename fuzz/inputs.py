"""What the fuzzer's bytes stand for, and where those worth keeping are kept."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

Message = bytes | str

CORPUS = Path(__file__).parent / "corpus"

_TEXT, _BINARY = b"\xffT", b"\xffB"
_MARK = re.compile(rb"\xff([TB])")


def join_messages(messages: Iterable[Message]) -> bytes:
    """Return the input that stands for a conversation: each message behind a mark of its kind."""
    return b"".join(
        _BINARY + each if isinstance(each, bytes) else _TEXT + each.encode() for each in messages
    )


def split_messages(data: bytes) -> list[Message]:
    """Return the conversation that an input stands for, whatever it is; text is always UTF-8."""
    head, *parts = _MARK.split(data)
    messages: list[Message] = [head] if head else []
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        messages.append(body.decode(errors="replace") if kind == b"T" else body)
    return messages


def read_corpus(target: str) -> list[bytes]:
    """Return the inputs that are kept for a target: one bytes literal of Python's a line."""
    path = CORPUS / f"{target}.txt"
    return [ast.literal_eval(line) for line in path.read_text("ascii").splitlines()]


def write_corpus(target: str, inputs: Iterable[bytes]) -> None:
    """Keep inputs for a target, the shortest first."""
    kept = sorted(set(inputs), key=lambda each: (len(each), each))
    (CORPUS / f"{target}.txt").write_text("".join(f"{each!r}\n" for each in kept), "ascii")
