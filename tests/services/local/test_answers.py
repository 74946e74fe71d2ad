from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.services.local.answers import answer
from voicewire.services.local.replies import spoken_date, spoken_time

NOW = datetime(2026, 11, 22, 15, 5)
TIME = "It is 3:05 PM."
DATE = "Today is Sunday, November 22, 2026."


@pytest.mark.parametrize(
    "text",
    [
        "What time is it?",
        "what time is it",
        "What's the time?",
        "What\N{RIGHT SINGLE QUOTATION MARK}s the time, please?",
        "Hi, what time is it?",
        "Could you please tell me what time it is?",
        "Can you tell me the time?",
        "Do you know what time it is?",
        "So, what is the time right now?",
        "Tell me the time.",
    ],
)
def test_the_time_is_told_however_it_is_asked_for(text: str) -> None:
    assert answer(text, NOW) == TIME


@pytest.mark.parametrize(
    "text",
    [
        "What day is it today?",
        "What is today's date?",
        "What's the date today?",
        "What day of the week is it?",
        "Tell me the date, please.",
    ],
)
def test_the_date_is_told_however_it_is_asked_for(text: str) -> None:
    assert answer(text, NOW) == DATE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What day is tomorrow?", "Tomorrow is Monday, November 23, 2026."),
        ("What day was yesterday?", "Yesterday was Saturday, November 21, 2026."),
        ("What month is it?", "It is November 2026."),
        ("What year is it?", "It is the year 2026."),
        ("What's 1,000 times 3?", "1000 times 3 is 3000."),
        ("My name is Peter.", "Nice to meet you, Peter."),
        ("Hello, my name is Mary Ann!", "Nice to meet you, Mary Ann."),
    ],
)
def test_what_depends_on_the_question(text: str, expected: str) -> None:
    assert answer(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("Hello.", "Hello!"),
        ("Hello there!", "Hello!"),
        ("Uh, hi.", "Hello!"),
        ("Good morning.", "Hello!"),
        ("Hey, how are you?", "I am fine"),
        ("What's up?", "I am fine"),
        ("Goodbye.", "Goodbye!"),
        ("Good bye!", "Goodbye!"),
        ("Bye-bye.", "Goodbye!"),
        ("Okay, thank you. Goodbye.", "Goodbye!"),
        ("Thank you very much.", "You are welcome."),
        ("Thanks.", "You are welcome."),
        ("What is your name?", "I am a small voice bot"),
        ("Who are you?", "I am a small voice bot"),
        ("Are you a robot?", "I am a machine"),
        ("Are you a human or a robot?", "I am a machine"),
        ("Where are you from?", "I live"),
        ("So, who made you?", "I am put together"),
        ("What can you do?", "I can tell"),
        ("Can you help me?", "I can tell"),
        ("Hello, can you hear me?", "Yes, I hear you"),
        ("Are you there?", "Yes, I hear you"),
        ("Testing, one, two, three.", "Yes, I hear you"),
        ("What's the weather like?", "I cannot see the weather"),
        ("What is the weather in Paris?", "I cannot see the weather"),
        ("Is it going to rain today?", "I cannot see the weather"),
        ("What is my name?", "I do not keep names"),
        ("Okay.", "Good."),
        ("No, stop.", "All right."),
        ("What?", "Sorry"),
        ("Say that again.", "Sorry"),
    ],
)
def test_small_talk_is_answered(text: str, beginning: str) -> None:
    said = answer(text, NOW)
    assert said is not None
    assert said.startswith(beginning)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Repeat after me, the quick brown fox.", "The quick brown fox."),
        ("Please repeat after me. Hello World!", "Hello World!"),
        ("Say after me: one, two, three.", "One, two, three."),
        ('Repeat after me "I am here".', "I am here"),
        ("Repeat after me.", "What shall I repeat?"),
    ],
)
def test_what_is_to_be_repeated_is_repeated(text: str, expected: str) -> None:
    assert answer(text, NOW) is not None
    assert (answer(text, NOW) or "").rstrip('."') == expected.rstrip('."')


def test_jokes_change_with_time() -> None:
    jokes = {answer("Tell me a joke.", NOW.replace(minute=minute)) for minute in range(10)}
    assert len(jokes) == 5
    assert None not in jokes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "What is the capital of France?",
        "Why is the sky blue?",
        "He was not an ill disposed young man.",
        "And so, my fellow Americans: ask not what your country can do for you.",
        "What's the difference between a cat and a dog?",
        "I am tired.",
        "How many days are in a year?",
        "The weather was nice when the king came home.",
        "What time does the train to London leave?",
        "Who is Peter?",
    ],
)
def test_everything_else_is_left_to_the_model(text: str) -> None:
    assert answer(text, NOW) is None


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [
        (0, 0, "midnight"),
        (0, 1, "12:01 AM"),
        (9, 0, "9:00 AM"),
        (11, 59, "11:59 AM"),
        (12, 0, "noon"),
        (12, 30, "12:30 PM"),
        (23, 59, "11:59 PM"),
    ],
)
def test_spoken_times(hour: int, minute: int, expected: str) -> None:
    assert spoken_time(datetime(2026, 1, 1, hour, minute)) == expected


def test_spoken_dates() -> None:
    assert spoken_date(datetime(2027, 1, 1)) == "Friday, January 1, 2027"


@given(st.text(max_size=300))
def test_no_text_is_an_error(text: str) -> None:
    said = answer(text, NOW)
    assert said is None or said
