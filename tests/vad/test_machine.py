"""The machine between silence and speech, window by window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voicewire.vad.machine import VADEvent, VADMachine, VADParams, VADState

WINDOW_SECS = 0.032

windows = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=200)
params = st.builds(
    VADParams,
    confidence=st.floats(0, 1),
    min_volume=st.floats(0, 1),
    start_secs=st.floats(0, 0.3),
    stop_secs=st.floats(0, 0.3),
)


STARTING_FOR_5 = [VADEvent.STARTING, *[None] * 4]


def make_machine(**values: float) -> VADMachine:
    return VADMachine(VADParams(**values), WINDOW_SECS)


def state_of(machine: VADMachine) -> VADState:
    """Return the state; asked twice of the attribute, mypy thinks that it cannot have changed."""
    return machine.state


def speak(machine: VADMachine, num_windows: int) -> list[VADEvent | None]:
    return [machine.update(1.0, 1.0) for _ in range(num_windows)]


def be_silent(machine: VADMachine, num_windows: int) -> list[VADEvent | None]:
    return [machine.update(0.0, 1.0) for _ in range(num_windows)]


def test_the_defaults_are_pipecats() -> None:
    assert VADParams().model_dump() == {
        "confidence": 0.7,
        "start_secs": 0.2,
        "stop_secs": 0.8,
        "min_volume": 0.6,
    }


def test_a_misspelt_parameter_names_the_right_one() -> None:
    with pytest.raises(ValidationError, match=r"'stop_sec'.* Did you mean 'stop_secs'"):
        VADParams.model_validate({"stop_sec": 1.0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("confidence", 1.1),
        ("min_volume", -0.1),
        ("start_secs", -1.0),
        ("stop_secs", float("inf")),
        ("stop_secs", float("nan")),
    ],
)
def test_a_value_outside_its_bounds_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        VADParams.model_validate({name: value})


def test_parameters_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        VADParams().confidence = 0.1  # type: ignore[misc]


def test_speech_is_reported_after_start_secs() -> None:
    machine = make_machine(start_secs=0.2)
    assert speak(machine, 5) == STARTING_FOR_5
    assert state_of(machine) is VADState.STARTING
    assert speak(machine, 1) == [VADEvent.STARTED]
    assert state_of(machine) is VADState.SPEAKING


def test_a_short_noise_is_not_speech() -> None:
    machine = make_machine(start_secs=0.2)
    speak(machine, 5)
    assert be_silent(machine, 1) == [None]
    assert state_of(machine) is VADState.QUIET
    assert speak(machine, 5) == STARTING_FOR_5


def test_silence_is_reported_after_stop_secs() -> None:
    machine = make_machine(stop_secs=0.8)
    speak(machine, 6)
    assert be_silent(machine, 24) == [None] * 24
    assert state_of(machine) is VADState.STOPPING
    assert be_silent(machine, 1) == [VADEvent.STOPPED]
    assert state_of(machine) is VADState.QUIET


def test_a_short_pause_belongs_to_the_speech() -> None:
    machine = make_machine(stop_secs=0.8)
    speak(machine, 6)
    be_silent(machine, 24)
    assert speak(machine, 1) == [None]
    assert state_of(machine) is VADState.SPEAKING
    assert be_silent(machine, 24) == [None] * 24


def test_no_start_secs_means_one_window() -> None:
    assert speak(make_machine(start_secs=0.0), 1) == [VADEvent.STARTED]


def test_a_confident_window_that_is_not_loud_enough_is_silence() -> None:
    machine = make_machine(start_secs=0.0, min_volume=0.6)
    assert machine.update(1.0, 0.59) is None
    assert machine.update(0.7, 0.6) is VADEvent.STARTED


def test_a_confidence_that_is_no_number_is_silence() -> None:
    assert make_machine(start_secs=0.0).update(float("nan"), 1.0) is None


def test_ending_speech_reports_it_once() -> None:
    machine = make_machine()
    speak(machine, 6)
    assert machine.end_speech() is VADEvent.STOPPED
    assert machine.end_speech() is None


def test_ending_what_was_only_starting_reports_nothing() -> None:
    machine = make_machine()
    speak(machine, 3)
    assert machine.end_speech() is None
    assert state_of(machine) is VADState.QUIET
    assert speak(machine, 5) == STARTING_FOR_5


@given(params, windows)
def test_events_alternate_and_agree_with_the_state(
    params: VADParams, windows: list[tuple[float, float]]
) -> None:
    machine = VADMachine(params, WINDOW_SECS)
    expected = VADEvent.STARTED
    for confidence, volume in windows:
        event = machine.update(confidence, volume)
        if event is VADEvent.STARTING:
            assert machine.state is VADState.STARTING
        elif event is not None:
            assert event is expected
            expected = VADEvent.STOPPED if event is VADEvent.STARTED else VADEvent.STARTED
        is_speaking = machine.state in (VADState.SPEAKING, VADState.STOPPING)
        assert is_speaking == (expected is VADEvent.STOPPED)


@given(params, windows, st.integers(0, 200))
def test_after_an_end_the_machine_is_as_new(
    params: VADParams, windows: list[tuple[float, float]], cut: int
) -> None:
    used, new = VADMachine(params, WINDOW_SECS), VADMachine(params, WINDOW_SECS)
    for window in windows[:cut]:
        used.update(*window)
    used.end_speech()
    assert [used.update(*w) for w in windows[cut:]] == [new.update(*w) for w in windows[cut:]]


@given(params)
def test_enough_silence_always_ends_speech(params: VADParams) -> None:
    machine = VADMachine(params, WINDOW_SECS)
    for _ in range(20):
        machine.update(1.0, 1.0)
    events = [machine.update(-1.0, 0.0) for _ in range(20)]
    assert events.count(VADEvent.STOPPED) == 1
