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

_MAX_MESSAGES = 7
_DROPPED_AT_ONCE = 4
_MAX_MESSAGE_CHARS = 400
"""A token is some 4 of them: no conversation outgrows the model's context."""


def build_messages(conversation: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a request's messages: a system prompt, the examples, the conversation's last turns.

    Old messages are dropped four at a time, not two with each question: as long as the beginning
    stays the same, the server need not read it again.

    Args:
        conversation: Messages as OpenAI's API has them, the oldest first. The first one of the role
            ``system`` takes the place of `SYSTEM_PROMPT`; what is not text is left out.
    """
    system = SYSTEM_PROMPT
    turns: list[dict[str, str]] = []
    for message in reversed(conversation):
        content = message.get("content")
        if not isinstance(content, str) or not content:
            continue
        role = message.get("role")
        if role == "system":
            system = content
        elif role in ("user", "assistant"):
            turns.append({"role": role, "content": content[:_MAX_MESSAGE_CHARS]})
    turns.reverse()
    surplus = max(0, len(turns) - _MAX_MESSAGES)
    num_dropped = -(-surplus // _DROPPED_AT_ONCE) * _DROPPED_AT_ONCE
    messages = [{"role": "system", "content": system}]
    for said, answered in EXAMPLES:
        messages.append({"role": "user", "content": said})
        messages.append({"role": "assistant", "content": answered})
    return messages + turns[num_dropped:]


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
        rest = self._splitter.flush()
        is_whole = rest.rstrip("\"')]”").endswith((".", "!", "?"))
        return self._admit(rest) if is_whole or not self._said else ""

    def _admit(self, sentence: str) -> str:
        if self._is_complete or not sentence:
            return ""
        if sentence in self._said:
            self._is_complete = True
            return ""
        self._said.append(sentence)
        self._is_complete = len(self._said) >= self._max_sentences
        return f"{sentence} "
