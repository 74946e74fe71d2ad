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


def test_json_keeps_letters_of_any_language() -> None:
    assert "Größe" in Transcript(0.0, 1, "Größe").to_json()
