"""What the bot has said, as far as the caller has heard it."""

from collections import deque
from dataclasses import dataclass, field

from voicewire.context import LLMContext
from voicewire.frames import (
    BotSpeechCutFrame,
    ClientConnectedFrame,
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    Message,
    TTSSentenceFrame,
    TTSTextFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor

MAX_REMEMBERED = 16
"""Messages that may still be cut: more are not on their way to the caller at a time."""


@dataclass(eq=False)
class _Said:
    """One message, and the sentences that it is made of, by their frames' ids."""

    sentences: dict[int, str] = field(default_factory=dict)
    written: str = ""
    """What was to be read, not heard."""
    message: Message = field(default_factory=lambda: {"role": "assistant", "content": ""})
    index: int | None = None
    """Where it stood in the conversation, once it has been taken out because nothing was heard."""
    is_in_context: bool = False

    @property
    def text(self) -> str:
        return " ".join(text for text in (*self.sentences.values(), self.written.strip()) if text)


class LLMAssistantAggregator(InlineProcessor):
    """Writes what the bot says into the context, and strikes what the caller has not heard.

    It stands after the transport's output: a sentence is written when its audio goes out. When the
    bot is cut off, its words end at the last one heard; an answer of which nothing was heard leaves
    no trace.

    Args:
        context: The conversation.
        name: For logs.
    """

    def __init__(self, context: LLMContext, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.context = context
        self._said: deque[_Said] = deque(maxlen=MAX_REMEMBERED)
        self._is_in_answer = False

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, TTSSentenceFrame):
            if frame.append_to_context:
                self._add_sentence(frame.id, frame.text)
        elif isinstance(frame, TTSTextFrame):
            if frame.sentence_id is None:  # Of a service that does not announce its sentences.
                self._add_sentence(frame.id, frame.text)
        elif isinstance(frame, LLMTextFrame):
            said = self._current()
            said.written += frame.text
            self._write(said)
        elif isinstance(frame, LLMFullResponseStartFrame):
            self._is_in_answer = True
            self._said.append(_Said())
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._is_in_answer = False
        elif isinstance(frame, BotSpeechCutFrame):
            self._cut(frame)
        elif isinstance(frame, ClientConnectedFrame):
            self._said.clear()
            self._is_in_answer = False
        self.push(frame, direction)

    def _current(self) -> _Said:
        """Return the answer in hand; what is said outside of one is a message of its own."""
        if not self._is_in_answer or not self._said:
            self._said.append(_Said())
        return self._said[-1]

    def _add_sentence(self, sentence_id: int, text: str) -> None:
        said = self._current()
        said.sentences[sentence_id] = text
        self._write(said)

    def _cut(self, frame: BotSpeechCutFrame) -> None:
        self._is_in_answer = False
        for sentence, heard in frame.sentences:
            said = next((each for each in self._said if sentence.id in each.sentences), None)
            if said is not None:
                said.sentences[sentence.id] = heard
                self._write(said)

    def _write(self, said: _Said) -> None:
        text = said.message["content"] = said.text
        if text and not said.is_in_context:
            if said.index is None:
                self.context.add_message(said.message)
            else:
                self.context.messages.insert(said.index, said.message)
            said.is_in_context = True
        elif not text and said.is_in_context:
            said.index = self.context.remove(said.message)
            said.is_in_context = False
