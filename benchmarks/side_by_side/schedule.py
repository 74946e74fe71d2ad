"""What is measured in which round, and in which order. Pure."""

from collections.abc import Iterator
from typing import NamedTuple


class Group(NamedTuple):
    """A measurement of several sides, which follow each other at once.

    Attributes:
        what: Name of a method of `Measurer`.
        sides: What it is called with, in another order in each round.
        max_rounds: It is left out after so many.
    """

    what: str
    sides: tuple[str, ...]
    max_rounds: int


ALWAYS = 1_000_000
LESSER = 3
"""Rounds of what no ratio to a peer depends on."""

GROUPS = (
    Group("cost", ("picows", "listener", "inline", "mailbox"), ALWAYS),
    Group("vad_cost", ("voicewire", "pipecat"), ALWAYS),
    Group("capacity", ("mailbox", "pipecat", "vad", "pipecat-vad"), ALWAYS),
    Group("imports", ("nothing", "voicewire", "pipecat"), ALWAYS),
    Group("idle_server", ("vad", "pipecat-vad"), ALWAYS),
    Group("alone", ("mailbox", "pipecat-single"), 2),
    Group("few", ("mailbox", "vad"), LESSER),
    Group("loaded", ("mailbox", "vad"), LESSER),
    Group("conversation", ("answer",), 2),
    Group("neighbours", ("without", "with"), LESSER),
    Group("stall", ("mailbox", "pipecat", "talker", "pipecat-talker"), 1),
    Group("idle_callers", ("vad",), 1),
)

LONG = Group("long", ("mailbox",), 1)
"""Made last, when all else is known."""


class Step(NamedTuple):
    """One measurement of one side."""

    round_number: int
    what: str
    side: str


def schedule(num_rounds: int, *, with_long: bool, only: frozenset[str] = frozenset()) -> list[Step]:
    """Return all steps in their order.

    Args:
        num_rounds: How often.
        with_long: Whether there is a long run at the end.
        only: Measurements; empty for all.
    """
    groups = [group for group in GROUPS if not only or group.what in only]
    steps = [
        step
        for round_number in range(1, num_rounds + 1)
        for group in groups
        for step in _steps(group, round_number)
    ]
    if with_long and (not only or LONG.what in only):
        steps += _steps(LONG, num_rounds)
    return steps


def _steps(group: Group, round_number: int) -> Iterator[Step]:
    if group is not LONG and round_number > group.max_rounds:
        return
    first = (round_number - 1) % len(group.sides)
    for side in group.sides[first:] + group.sides[:first]:
        yield Step(round_number, group.what, side)
