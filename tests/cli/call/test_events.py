import json

import pytest

from voicewire.cli.call import events
from voicewire.cli.call.events import (
    BadMessage,
    BotStarted,
    BotStopped,
    BotText,
    CallerStarted,
    CallerStopped,
    CallEvent,
    Closed,
    Connected,
    Message,
    QuestionSummary,
    Summary,
    Transcript,
)

EVERY_EVENT: list[CallEvent] = [
    Connected(0.0, "ws://localhost:8765"),
    CallerStarted(1.0, 1, "question.wav"),
    CallerStopped(2.0, 1, "question.wav"),
    Transcript(2.9, 1, "What is the time?"),
    BotStarted(3.0, 1, 1.0),
    BotText(4.0, 1, "It is late."),
    BotStopped(5.0, 1, 2.0, True, 0.3),
    Message(5.0, {"type": "bot-ready"}),
    BadMessage(5.0, "an empty message"),
    Closed(6.0, 1000, "", "client"),
    Summary(6.0, "Hello.", [QuestionSummary("question.wav", "What?", "It is late.", 1.23456)]),
]


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: event.name)
def test_every_event_is_documented_json_and_a_line(event: CallEvent) -> None:
    data = json.loads(event.to_json())
    assert data["event"] == event.name
    assert data["at_secs"] == event.at_secs
    assert event.line()
    assert events.__doc__ is not None
    documented = [line for line in events.__doc__.split("\n| ") if f"`{event.name}`" in line]
    assert documented
    for key in data.keys() - {"event", "at_secs"}:
        assert f"`{key}`" in " ".join(documented)


def test_every_kind_of_event_is_tried_above() -> None:
    names = {kind.name for kind in CallEvent.__subclasses__()}
    assert {event.name for event in EVERY_EVENT} == names


def test_times_are_rounded_at_any_depth() -> None:
    data = json.loads(EVERY_EVENT[-1].to_json())
    assert data["questions"][0]["latency_secs"] == 1.2346


NASTY = "\x1b]0;pwned\x07\x9b2J\r\n\u202e"
SHOWN = r"\x1b]0;pwned\x07\x9b2J\r\n\u202e"


@pytest.mark.parametrize(
    "event",
    [
        Connected(0.0, NASTY),
        CallerStarted(1.0, 1, NASTY),
        Transcript(2.9, 1, NASTY),
        BotText(4.0, 1, NASTY),
        Message(5.0, {NASTY: [NASTY]}),
        BadMessage(5.0, NASTY),
        Closed(6.0, 1000, NASTY, "server"),
        Summary(6.0, NASTY, [QuestionSummary(NASTY, NASTY, NASTY, 1.0)]),
    ],
    ids=lambda event: event.name,
)
def test_no_event_tells_the_terminal_what_to_do(event: CallEvent) -> None:
    # The summary begins with an empty line and has three for each question.
    assert all(line.isprintable() for line in event.line().split("\n"))
    assert len(event.line().split("\n")) == (4 if isinstance(event, Summary) else 1)
    assert event.to_json().isprintable()
    assert NASTY in str_values(json.loads(event.to_json()))


def str_values(value: object) -> list[str]:
    """Return all strings in a JSON value, at any depth."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in str_values(item)]
    if isinstance(value, list):
        return [text for item in value for text in str_values(item)]
    return [value] if isinstance(value, str) else []


def test_what_the_bot_says_is_shown_without_its_escapes() -> None:
    assert BotText(4.0, 1, NASTY).line() == f"bot: {SHOWN}"


def test_json_keeps_letters_of_any_language() -> None:
    assert "Größe" in Transcript(0.0, 1, "Größe").to_json()
