"""The scenario `conversation`: a caller who speaks, listens, and cuts the answer off. Pure."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicewire.cli.bench.dialect import Audio, Dialect
from voicewire.cli.bench.outcome import Heard
from voicewire.cli.bench.plan import FRAME_SECS, Window
from voicewire.cli.bench.playout import Stretch, deviations, glitch_times
from voicewire.cli.bench.turns import Spoken, listening_times, turns_of
from voicewire.cli.call.speech_span import SpeechSpan

LISTEN_SECS = 2.0
"""How long a caller listens before it speaks again."""

NO_ANSWER_SECS = 6.0
"""How long a caller waits for an answer before it speaks again."""

START_SPREAD_SECS = 4.0
"""Callers begin spread over so long, about half a turn, so that they do not all speak at once."""

_GOLDEN_RATIO = 0.6180339887498949
"""Its multiples, without their whole part, fill an interval evenly however many there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """Something to say.

    Attributes:
        messages: For the socket.
        span: Where in them the voice is.
    """

    messages: Sequence[bytes]
    span: SpeechSpan


@dataclass(frozen=True, slots=True, eq=False)
class ConversationScript:
    """What all callers of a run share.

    Attributes:
        phrases: Said in turn.
        silence: Said between them, for the socket.
        dialect: Reads what the server sends.
        client_buffer_secs: What the simulated player gathers before it plays.
    """

    phrases: Sequence[Phrase]
    silence: bytes
    dialect: Dialect
    client_buffer_secs: float


class ConversationCaller:
    """Says a phrase, hears the answer out for a while, says the next one into it, and so on."""

    def __init__(self, script: ConversationScript, *, number: int) -> None:
        self._script = script
        self._number = number
        self._first_due_at = 0.0
        self._num_sent = 0
        self._speak_at = 0.0
        self._is_answer_due = False
        self._saying: Sequence[bytes] = ()
        self._num_said = 0
        self._spoken: list[Spoken] = []
        self._arrivals = array("d")
        self._secs = array("d")
        self._heard_at: list[float] = []
        self._others: list[float] = []

    def begin(self, first_due_at: float) -> None:
        self._first_due_at = first_due_at
        self._speak_at = first_due_at + self._number * _GOLDEN_RATIO % 1 * START_SPREAD_SECS

    def next_message(self) -> bytes:
        due_at = self._first_due_at + self._num_sent * FRAME_SECS
        self._num_sent += 1
        if self._num_said == len(self._saying):
            if due_at < self._speak_at:
                return self._script.silence
            self._begin_phrase(due_at)
        self._num_said += 1
        return self._saying[self._num_said - 1]

    def take(self, message: bytes | str, *, now: float) -> None:
        content = self._script.dialect.read(message)
        if not isinstance(content, Audio):
            self._others.append(now)
            if content is not None and content.get("type") == "user-started-speaking":
                self._heard_at.append(now)
            return
        self._arrivals.append(now)
        self._secs.append(content.secs)
        if self._is_answer_due and now > self._spoken[-1].end_at:
            self._is_answer_due = False
            self._speak_at = now + LISTEN_SECS

    def heard(self, window: Window) -> Heard:
        arrivals, secs = np.asarray(self._arrivals), np.asarray(self._secs)
        buffer_secs = self._script.client_buffer_secs
        stretches = []
        for start_at, end_at in listening_times(self._spoken, self._heard_at):
            is_listening = (arrivals > start_at) & (arrivals <= end_at)
            stretches.append(Stretch(arrivals[is_listening], secs[is_listening]))
        jitter = [deviations(s, buffer_secs=buffer_secs, window=window) for s in stretches]
        glitches = [t for s in stretches for t in glitch_times(s, buffer_secs=buffer_secs)]
        turns = turns_of(self._spoken, arrivals, self._heard_at)
        return Heard(
            messages=sum(at in window for at in (*self._arrivals, *self._others)),
            jitter_secs=np.concatenate([np.empty(0), *jitter]),
            glitches=sum(at in window for at in glitches),
            turns=[
                turn
                for turn, spoken in zip(turns, self._spoken, strict=True)
                if spoken.onset_at in window
            ],
        )

    def _begin_phrase(self, due_at: float) -> None:
        phrases = self._script.phrases
        phrase = phrases[(self._number + len(self._spoken)) % len(phrases)]
        # A message is due when the last of its samples has been spoken.
        begun_at = due_at - FRAME_SECS
        spoken = Spoken(begun_at + phrase.span.start_secs, begun_at + phrase.span.end_secs)
        self._spoken.append(spoken)
        self._saying, self._num_said = phrase.messages, 0
        self._is_answer_due = True
        self._speak_at = spoken.end_at + NO_ANSWER_SECS
