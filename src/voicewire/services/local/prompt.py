"""What SmolLM2-135M is asked, and how much of its answer is said. Pure.

Tried with thirty everyday questions: two examples make it answer in a sentence rather than in a
paragraph; more of them, or a longer system prompt, leak into its answers. Without a penalty on
repetition every fifth answer is a loop; a higher one makes it invent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from voicewire.services.sentences import SentenceSplitter

SYSTEM_PROMPT: Final = "You are a helpful voice assistant. Answer in one short sentence."

EXAMPLES: Final = (
    ("What is the largest planet?", "Jupiter is the largest planet."),
    ("What is a good hobby?", "Painting is a good hobby, because it helps you relax."),
)
"""Questions and answers that show the model what an answer looks like."""

REQUEST_OPTIONS: Final[Mapping[str, Any]] = {
    "temperature": 0,
    "max_tokens": 80,
    "stop": ["\n"],  # a second paragraph is a list, or the model talking to itself
    "extra_body": {"repeat_penalty": 1.1},
}
"""Keywords for ``chat.completions.create`` of the ``openai`` package."""

MAX_SENTENCES = 2

# A token is some 4 characters, in the worst English 2: no conversation outgrows the context.
_MAX_EXCHANGES = 4
_DROPPED_AT_ONCE = 3
_MAX_QUESTION_CHARS = 400
_MAX_REMEMBERED_CHARS = 160


def build_messages(exchanges: Sequence[tuple[str, str]], question: str) -> list[dict[str, str]]:
    """Return a request's messages: the opening, the last exchanges, the question.

    Old exchanges are dropped three at a time, not one with each question: as long as the beginning
    stays the same, the server need not read it again.

    Args:
        exchanges: What the caller said and what was answered, the oldest first.
        question: What the caller says now.
    """
    surplus = max(0, len(exchanges) - _MAX_EXCHANGES)
    num_dropped = -(-surplus // _DROPPED_AT_ONCE) * _DROPPED_AT_ONCE
    history = _as_messages(exchanges[num_dropped:])
    return [
        *opening_messages(),
        *history,
        {"role": "user", "content": question[:_MAX_QUESTION_CHARS]},
    ]


def opening_messages() -> list[dict[str, str]]:
    """Return what every request begins with: the system prompt and the examples."""
    return [{"role": "system", "content": SYSTEM_PROMPT}, *_as_messages(EXAMPLES)]


def _as_messages(exchanges: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": content[:_MAX_REMEMBERED_CHARS]}
        for exchange in exchanges
        for role, content in zip(("user", "assistant"), exchange, strict=True)
    ]


class ShortAnswer:
    """Lets the first sentences of a streamed answer through, whole and each only once.

    So small a model goes on until it is stopped, in the middle of a sentence or in a loop. A voice
    speaks by the sentence, so holding text back until its sentence ends costs no time.

    Example::

        answer = ShortAnswer()
        async for delta in deltas:
            say(answer.feed(delta))
            if answer.is_complete:
                break
        say(answer.finish())
    """

    def __init__(self, max_sentences: int = MAX_SENTENCES) -> None:
        self._max_sentences = max_sentences
        self._splitter = SentenceSplitter()
        self._said: list[str] = []
        self._is_complete = False

    @property
    def is_complete(self) -> bool:
        """Whether all that follows would be left out."""
        return self._is_complete

    def feed(self, delta: str) -> str:
        """Return the sentences that `delta` ends, each with a space after it; empty if none."""
        return "".join(self._admit(sentence) for sentence in self._splitter.add(delta))

    def finish(self) -> str:
        """Return the rest once the stream has ended: a whole sentence, or else the only text."""
        *complete, rest = self._splitter.flush() or [""]
        said = "".join(self._admit(sentence) for sentence in complete)
        is_whole = rest.rstrip("\"')]”").endswith((".", "!", "?"))
        return said + self._admit(rest) if is_whole or not self._said else said

    def _admit(self, sentence: str) -> str:
        if self._is_complete or not any(character.isalpha() for character in sentence):
            return ""  # nothing, or a list's "1."
        if sentence in self._said:
            self._is_complete = True
            return ""
        self._said.append(sentence)
        self._is_complete = len(self._said) >= self._max_sentences
        return f"{sentence} "
