"""What the embedded bot says to what people say first: a table of phrases and replies. Pure.

The phrases are regular expressions over text as `answers` leaves it: lower case, without
punctuation, short forms written out, without "please" and its like at either end.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

Reply = str | Callable[[datetime], str]
"""What to say, or how to find it out from the caller's local time."""

_WEEKDAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

_JOKES: Final = (
    "Why do bees hum? Because they do not know the words.",
    "What do you call a snowman in summer? A puddle.",
    "Why did the scarecrow win a prize? He was outstanding in his field.",
    "What did the ocean say to the beach? Nothing, it just waved.",
    "I told my computer that I needed a break. It went to sleep.",
)


def spoken_time(now: datetime) -> str:
    """Return the time of day, such as "3:05 PM", "noon" or "midnight"."""
    if now.minute == 0 and now.hour in (0, 12):
        return "noon" if now.hour else "midnight"
    return f"{now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}"


def spoken_date(day: datetime) -> str:
    """Return a date, such as "Sunday, November 22, 2026". The same whatever the locale."""
    return f"{_WEEKDAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def _joke(now: datetime) -> str:
    return _JOKES[(now.hour * 60 + now.minute) % len(_JOKES)]


_TABLE: Final[tuple[tuple[Reply, tuple[str, ...]], ...]] = (
    (
        lambda now: f"It is {spoken_time(now)}.",
        (
            r"what time (?:is it|it is)(?: today| here)?",
            r"what (?:is the (?:current )?time|the time is)|what time|the time",
            r"(?:tell|give) me the time|(?:have you got|do you (?:know|have)) the time",
            r"how late is it|what time do you have",
        ),
    ),
    (
        lambda now: f"Today is {spoken_date(now)}.",
        (
            r"(?:what|which) day (?:of the week )?(?:is it|is today|it is)(?: today)?",
            r"what is (?:today|(?:the )?day(?: today)?|the day and (?:the )?date)",
            r"what is (?:the |today's )(?:current )?date(?: today| of today)?",
            r"what (?:date is (?:it|today)(?: today)?|the date is)",
            r"tell me (?:the|today's) date|(?:today's|the) date",
        ),
    ),
    (
        lambda now: f"Tomorrow is {spoken_date(now + timedelta(days=1))}.",
        (r"what (?:day|date) (?:is|will be) (?:it )?tomorrow|what is tomorrow(?:'s date)?",),
    ),
    (
        lambda now: f"Yesterday was {spoken_date(now - timedelta(days=1))}.",
        (r"what (?:day|date) was (?:it )?yesterday|what was yesterday(?:'s date)?",),
    ),
    (
        lambda now: f"It is {_MONTHS[now.month - 1]} {now.year}.",
        (r"(?:what|which) month is (?:it|this)|what is the month",),
    ),
    (
        lambda now: f"It is the year {now.year}.",
        (r"(?:what|which) year is (?:it|this)|what is the (?:current )?year",),
    ),
    (
        "I am fine, thank you. How can I help you?",
        (
            r"how are you(?: doing| feeling)?(?: today)?|how do you do|what is up",
            r"how (?:is it going|are things)|are you (?:okay|ok|well|good)",
        ),
    ),
    (
        "I am a small voice bot that runs entirely on this machine.",
        (
            r"what is your name|what your name is|do you have a name|tell me your name",
            r"(?:who|what) are you|who you are|what are you called|what should i call you",
            r"who is (?:this|there|speaking)|who am i (?:talking|speaking) (?:to|with)",
            r"introduce yourself|tell me (?:something )?about yourself",
        ),
    ),
    (
        "I am a machine, a small program that listens and talks.",
        (
            (
                r"are you (?:an? )?(?:real )?(?:robot|bot|chatbot|ai|a i|machine|computer|human"
                r"|human being|person|real|alive|artificial intelligence)(?: or .{1,30})?"
            ),
            r"am i (?:talking|speaking) (?:to|with) an? (?:real )?(?:robot|human|machine|person)",
        ),
    ),
    (
        "I live in the computer that you are talking to.",
        (r"where are you(?: from)?|where do you (?:live|come from)",),
    ),
    (
        "I was born when this program started, so I am very young.",
        (r"how old are you|when were you born|what is your age",),
    ),
    (
        "I am put together from open source software and small open models.",
        (r"who (?:made|built|created|wrote|programmed|trained) you",),
    ),
    (
        (
            "I can tell you the time and the date, do sums, repeat what you say, "
            "and try to answer simple questions."
        ),
        (
            r"what (?:can|do) you do|what (?:else )?can you (?:do|help)(?: me| with)*",
            r"(?:how )?can you help(?: me)?|help(?: me)?|what are you able to do",
            r"what can i (?:ask|say)(?: you)?|what do you know",
            r"what are your (?:skills|features|capabilities)",
        ),
    ),
    (
        "Yes, I hear you well.",
        (
            r"(?:can|do) you hear me(?: well)?|are you (?:still )?(?:there|listening|here)",
            r"(?:is )?(?:anybody|anyone|somebody) (?:there|here)|mic(?:rophone)? (?:check|test)",
            r"(?:test(?:ing)? ?)+(?:(?:1|one) (?:2|two) (?:3|three))?",
            r"(?:1|one) (?:2|two) (?:3|three)(?: test(?:ing)?)?",
        ),
    ),
    (
        "You are welcome.",
        (
            (
                r"(?:many )?(?:thanks|thank you|cheers)(?: a lot| (?:so|very) much| indeed)?"
                r"(?: for (?:that|everything|your help|the help|your time))?"
                r"(?: that (?:is|was) (?:all|great|good|nice|helpful))?"
            ),
        ),
    ),
    (
        "Goodbye! It was nice talking to you.",
        (
            (
                r"(?:(?:thank you|thanks)(?: very much)? )?"
                r"(?:goodbye|bye|farewell|good night|take care"
                r"|(?:see|talk to) you(?: later| soon| tomorrow)?|i have to go|hang up|that is all"
                r"|have a (?:nice|good|great) (?:day|evening|night|weekend)|(?:i am|we are) done)"
                r"(?: (?:goodbye|bye|for now|thank you|thanks|see you(?: later| soon)?))*"
            ),
        ),
    ),
    (
        _joke,
        (
            (
                r"(?:(?:tell|give) (?:me |us )?|say |i want to hear |do you know )?"
                r"(?:an?|another|any|one more) (?:funny |good )?jokes?(?: to tell me)?"
            ),
            r"tell (?:me )?jokes|do you know jokes|make me laugh|(?:tell me|say) something funny",
        ),
    ),
    (
        "I cannot see the weather from here, I am afraid.",
        (
            r"(?:how|what|give|tell|is|will|show)\b.*\b(?:weather|forecast)\b.*|(?:the )?weather",
            (
                r"(?:is it|will it|does it)(?: going to)? (?:be )?"
                r"(?:rain(?:ing|y)?|snow(?:ing|y)?|sunny|cloudy|cold|hot|warm|windy)\b.*"
            ),
            r"do i need an? (?:umbrella|(?:rain)?coat|jacket)\b.*",
            r"what is the temperature(?: outside| today)?|how (?:cold|hot|warm) is it\b.*",
        ),
    ),
    (
        "I do not keep names, I am afraid.",
        (r"what is my name|who am i|do you (?:know|remember) (?:my name|me|who i am)",),
    ),
    (
        "Good. What else can I do for you?",
        (
            (
                r"(?:(?:okay|ok|all right|alright|yes|yeah|yep|sure|fine|good|great|nice|cool"
                r"|perfect|wonderful|right|very good|i see|got it"
                r"|that is (?:good|great|nice|fine))(?: |$))+"
            ),
        ),
    ),
    (
        "All right. I am here when you need me.",
        (
            (
                r"(?:(?:no|nope|nothing(?: else)?|never mind|stop(?: it| talking)?|cancel|forget it"
                r"|be quiet|quiet|shut up|not really|wait|hold on|thank you|thanks)(?: |$))+"
            ),
        ),
    ),
    (
        "Sorry if that was unclear. Please ask me once more.",
        (
            r"what|sorry|i am sorry|pardon(?: me)?|excuse me|huh|what did you say|say that|come",
            r"repeat(?: that)?|i did not (?:understand|get|hear)(?: that| you)?",
        ),
    ),
    (
        "Thank you, that is kind of you.",
        (
            r"i (?:love|like) you",
            r"you are (?:very |so |really )?(?:great|nice|good|funny|cute|awesome|cool|the best)",
        ),
    ),
)

REPLIES: Final = tuple((re.compile("|".join(phrases)), reply) for reply, phrases in _TABLE)
"""Phrases that have to match in full, and the reply; the first that matches counts."""
