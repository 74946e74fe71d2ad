"""Answers that need no language model: the time, a greeting, who is speaking. Pure.

A model as small as the embedded one does not know the day, and is at its worst in small talk, which
is what people try first.
"""

import re
from datetime import datetime
from typing import Final

from voicewire.services.local.arithmetic import solve
from voicewire.services.local.replies import REPLIES

_SHORT_FORMS: Final = (
    (re.compile(r"\b(what|who|where|how|that)'?s\b"), r"\1 is"),
    (re.compile(r"\b(it|there|when)'s\b"), r"\1 is"),
    (re.compile(r"\b(you|they|we)'re\b"), r"\1 are"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\bdidn't\b"), "did not"),
    (re.compile(r"\b(?:good bye|bye bye)\b"), "goodbye"),
)
_LEADING: Final = re.compile(
    r"(?:and|so|well|um+|uh+|oh|ah|hmm+|okay|ok|please|now|then|just|actually|all right|alright)\b"
    r"|(?:can|could|would|will) you (?:please )?(?=tell|say|repeat|give|make|introduce)"
    r"|do you know (?=what|how|who)|tell me (?=what|who|how|where)"
    r"|(?:i would like to|i want to|let me) (?:know|ask) (?:you )?"
)
_TRAILING: Final = re.compile(
    r" (?:please|right now|now|then|for me|at the moment|currently|my friend|again)$"
)
_GREETING: Final = re.compile(
    r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings|howdy)\b(?: there\b)?"
)
_REPEAT: Final = re.compile(
    r".{0,30}?\b(?:repeat|say)(?: the words| this)? after me\b[\s,.:;!?—-]*(.*)",
    re.IGNORECASE | re.DOTALL,
)
_NAME: Final = re.compile(
    r".{0,30}?\bmy name is ([a-z][\w'-]*(?: [A-Z][\w'-]*)?)\W*", re.IGNORECASE
)
_SILENT_MARKS: Final = re.compile(r"[,;:!?\"“”()…]|\.(?!\d)|(?<=[a-z])-(?=[a-z])")
_THOUSANDS_COMMA: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")
_MAX_REPEATED_CHARS: Final = 300
_MAX_CHARS: Final = 200
"""Longer ones are no small talk."""


def answer(text: str, now: datetime) -> str | None:
    """Return what to say to `text`; None where that is a matter for a language model.

    Args:
        text: What the caller said, as a speech recogniser spells it.
        now: The caller's local time.
    """
    if repeated := _REPEAT.fullmatch(text.strip()):
        words = repeated.group(1).strip(" \"'“”")[:_MAX_REPEATED_CHARS]
        return words[:1].upper() + words[1:] or "What shall I repeat?"
    if len(text) > _MAX_CHARS:
        return None
    if named := _NAME.fullmatch(text):
        return f"Nice to meet you, {named.group(1).title()}."
    plain = normalise(text)
    greeting = _GREETING.match(plain)
    rest = _strip_fillers(plain[greeting.end() :]) if greeting else plain
    if not rest:
        return "Hello! How can I help you?" if greeting else None
    for pattern, reply in REPLIES:
        if pattern.fullmatch(rest):
            return reply if isinstance(reply, str) else reply(now)
    return solve(rest)


def normalise(text: str) -> str:
    """Return `text` in lower case, short forms written out, without punctuation or fillers."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    plain = _THOUSANDS_COMMA.sub("", plain)
    plain = " ".join(_SILENT_MARKS.sub(" ", plain).split())
    for pattern, replacement in _SHORT_FORMS:
        plain = pattern.sub(replacement, plain)
    return _strip_fillers(plain)


def _strip_fillers(text: str) -> str:
    """Return `text` without what people say before and after what they mean.

    What consists of nothing else stays as it is: "okay" is then all that was meant.
    """
    text = text.strip()
    while True:
        match = _LEADING.match(text)
        shorter = text[match.end() :].strip() if match else text
        shorter = _TRAILING.sub("", shorter)
        if shorter in ("", text):
            return text
        text = shorter
