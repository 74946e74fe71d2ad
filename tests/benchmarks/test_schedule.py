from benchmarks.side_by_side.measures import Measurer
from benchmarks.side_by_side.schedule import GROUPS, LONG, Step, schedule


def test_each_round_begins_with_another_side() -> None:
    steps = schedule(3, with_long=False, only=frozenset({"vad_cost"}))
    assert [step.side for step in steps] == [
        *("voicewire", "pipecat"),
        *("pipecat", "voicewire"),
        *("voicewire", "pipecat"),
    ]


def test_all_sides_of_a_measurement_follow_each_other_within_a_round() -> None:
    for group in GROUPS:
        steps = schedule(1, with_long=False)
        sides = [step.side for step in steps if step.what == group.what]
        first = steps.index(Step(1, group.what, sides[0]))
        assert [step.what for step in steps[first : first + len(sides)]] == [group.what] * len(
            sides
        )
        assert sorted(sides) == sorted(group.sides)


def test_the_long_run_is_made_once_and_last() -> None:
    steps = schedule(4, with_long=True)
    assert steps[-1] == Step(4, LONG.what, LONG.sides[0])
    assert sum(step.what == LONG.what for step in steps) == 1


def test_every_measurement_of_the_schedule_exists() -> None:
    for group in (*GROUPS, LONG):
        assert callable(getattr(Measurer(), group.what))
