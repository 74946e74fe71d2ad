"""Whose turn it is in a call. Pure: time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from voicewire.cli.call.events import (
    BotStarted,
    BotStopped,
    BotText,
    CallerStarted,
    CallerStopped,
    CallEvent,
    QuestionSummary,
    Summary,
    Transcript,
)
from voicewire.cli.call.speech_span import SpeechSpan

BOT_STOP_SECS = 0.35
"""Silence after which the bot counts as having stopped: longer than a pause between sentences."""

GREETING_LIMIT_SECS = 10.0
"""Longer than this no greeting is listened to: a bot that returns what it hears is never silent."""

ANSWER_LIMIT_SECS = 60.0
"""Longer than this no answer is listened to."""

CARRY_ON_SECS = 0.5
"""A bot that speaks on for so long after the caller's last word will not be interrupted by it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A recording to play, and where in it somebody speaks."""

    file: str
    duration_secs: float
    speech: SpeechSpan


@dataclass(frozen=True, slots=True)
class Manners:
    """How the caller behaves.

    Attributes:
        greeting_wait_secs: How long to wait for a greeting to begin.
        answer_pause_secs: Silence of the bot after which its answer counts as complete.
        timeout_secs: How long an answer may take to begin.
        barge_in_after_secs: The next question begins so long after the answer's first audio; None
            lets the bot finish.
        hangs_up: Whether the call ends after the last answer.
    """

    greeting_wait_secs: float = 1.5
    answer_pause_secs: float = 1.0
    timeout_secs: float = 20.0
    barge_in_after_secs: float | None = None
    hangs_up: bool = True


class Step(Enum):
    """What the caller does next."""

    WAIT = auto()
    ASK = auto()
    """Play the next recording now."""
    HANG_UP = auto()
    """All questions have been answered."""
    GIVE_UP = auto()
    """The last question has not been."""


class Conversation:
    """Decides when the caller speaks, and attributes what the bot says to what it was asked.

    Args:
        questions: What to ask, in this order.
        manners: How.
        now: When the connection was made; the events' times count from here.
    """

    def __init__(self, questions: Sequence[Question], manners: Manners, *, now: float) -> None:
        self._questions = questions
        self._manners = manners
        self._begun_at = now
        self._events: list[CallEvent] = []
        self._num_asked = 0
        self._asked_at = now
        self._has_caller_started = False
        self._has_caller_stopped = False
        self._answer_started_at: float | None = None
        self._is_bot_speaking = False
        self._bot_started_at = now
        self._bot_ends_at = float("-inf")
        self._bot_speaks_of: int | None = None
        self._greeting: list[str] = []
        self._summaries = [QuestionSummary(question.file) for question in questions]

    @property
    def is_answered(self) -> bool:
        """Whether all questions have been asked and the last one's answer has begun."""
        all_asked = self._num_asked == len(self._questions)
        return all_asked and (self._num_asked == 0 or self._answer_started_at is not None)

    def take_events(self) -> list[CallEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def summary(self, *, now: float) -> Summary:
        """Return what has come of the questions that were asked."""
        asked = self._summaries[: self._num_asked]
        return Summary(self._at(now), " ".join(self._greeting), asked)

    def audio_came(self, *, now: float, ends_at: float) -> None:
        """The bot's audio has come, and will have been played at `ends_at`."""
        self._advance(now)
        self._bot_ends_at = ends_at
        if not self._is_bot_speaking:
            self._begin_bot(now)
        elif (
            self._answer_started_at is None
            and self._has_caller_stopped
            and now >= self._caller_stops_at + CARRY_ON_SECS
        ):
            self._answer_started_at = now

    def audio_flushed(self, *, now: float) -> None:
        """The bot's audio ends now."""
        self._bot_ends_at = min(self._bot_ends_at, now)

    def transcript_came(self, text: str, *, now: float) -> None:
        self._advance(now)
        question = self._num_asked or None
        if question is not None:
            self._summaries[question - 1].transcript = _joined(
                self._summaries[question - 1].transcript, text
            )
        self._events.append(Transcript(self._at(now), question, text))

    def text_came(self, text: str, *, now: float) -> None:
        self._advance(now)
        question = self._bot_speaks_of
        if question is None:
            self._greeting.append(text)
        else:
            self._summaries[question - 1].answer = _joined(
                self._summaries[question - 1].answer, text
            )
        self._events.append(BotText(self._at(now), question, text))

    def next_step(self, *, now: float) -> Step:
        """Return what to do now. After `ASK`, the recording's begin is taken to be `now`."""
        self._advance(now)
        if not self._is_turn_over(now):
            return Step.WAIT
        if self._num_asked and self._answer_started_at is None:
            return Step.GIVE_UP
        if self._num_asked < len(self._questions):
            self._ask(now)
            return Step.ASK
        return Step.HANG_UP if self._manners.hangs_up else Step.WAIT

    @property
    def _question(self) -> Question:
        return self._questions[self._num_asked - 1]

    @property
    def _caller_starts_at(self) -> float:
        return self._asked_at + self._question.speech.start_secs

    @property
    def _caller_stops_at(self) -> float:
        return self._asked_at + self._question.speech.end_secs

    def _at(self, when: float) -> float:
        return when - self._begun_at

    def _ask(self, now: float) -> None:
        self._num_asked += 1
        self._asked_at = now
        self._has_caller_started = self._has_caller_stopped = False
        self._answer_started_at = None

    def _is_turn_over(self, now: float) -> bool:
        silent_secs = now - self._bot_ends_at
        if not self._num_asked:
            if self._bot_ends_at == float("-inf"):
                return now >= self._begun_at + self._manners.greeting_wait_secs
            if now >= self._begun_at + GREETING_LIMIT_SECS:
                return True
            return silent_secs >= self._manners.answer_pause_secs
        if not self._has_caller_stopped or now < self._asked_at + self._question.duration_secs:
            return False
        if self._answer_started_at is None:
            return now >= self._caller_stops_at + self._manners.timeout_secs
        barge_in_secs = self._manners.barge_in_after_secs
        if barge_in_secs is None or self._num_asked == len(self._questions):
            barge_in_secs = float("inf")
        if now >= self._answer_started_at + min(barge_in_secs, ANSWER_LIMIT_SECS):
            return True
        return silent_secs >= self._manners.answer_pause_secs

    def _advance(self, now: float) -> None:
        """Note what has come to pass by itself since the last call."""
        if self._num_asked:
            self._advance_caller(now)
        if self._is_bot_speaking and now >= self._bot_ends_at + BOT_STOP_SECS:
            self._end_bot()

    def _advance_caller(self, now: float) -> None:
        number, file = self._num_asked, self._question.file
        if not self._has_caller_started and now >= self._caller_starts_at:
            self._has_caller_started = True
            self._events.append(CallerStarted(self._at(self._caller_starts_at), number, file))
        if not self._has_caller_stopped and now >= self._caller_stops_at:
            self._has_caller_stopped = True
            self._events.append(CallerStopped(self._at(self._caller_stops_at), number, file))

    def _begin_bot(self, now: float) -> None:
        self._is_bot_speaking = True
        self._bot_started_at = now
        # What comes before the caller's first word still belongs to the question before.
        number = self._num_asked if self._has_caller_started else self._num_asked - 1
        self._bot_speaks_of = number if number > 0 else None
        latency_secs = None
        if self._has_caller_stopped and self._answer_started_at is None:
            self._answer_started_at = now
            latency_secs = now - self._caller_stops_at
            self._summaries[self._num_asked - 1].latency_secs = latency_secs
        self._events.append(BotStarted(self._at(now), self._bot_speaks_of, latency_secs))

    def _end_bot(self) -> None:
        self._is_bot_speaking = False
        ended_at = self._bot_ends_at
        interrupted = self._has_caller_started and (
            self._caller_starts_at <= ended_at < self._caller_stops_at + CARRY_ON_SECS
            and self._bot_started_at < self._caller_stops_at
        )
        yield_secs = None
        # One that began in a pause of the caller's: no telling when the caller went on.
        if interrupted and self._bot_started_at < self._caller_starts_at:
            yield_secs = ended_at - self._caller_starts_at
        self._events.append(
            BotStopped(
                self._at(ended_at),
                self._bot_speaks_of,
                ended_at - self._bot_started_at,
                interrupted,
                yield_secs,
            )
        )


def _joined(before: str, text: str) -> str:
    return f"{before} {text}".strip()
