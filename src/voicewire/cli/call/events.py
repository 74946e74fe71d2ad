"""What happens in a call: as a line for people, as a line of JSON for programs.

Every JSON object has `event`, its name, and `at_secs`, seconds since the connection. `question` is
the number of a recording, from 1 on; null is the greeting, before the first one.

| `event` | Further keys |
|---|---|
| `connected` | `url` |
| `caller_started`, `caller_stopped` | `question`, `file`: its voice's first and last sound |
| `transcript` | `question`, `text`: what the server has understood |
| `bot_started` | `question`, `latency_secs`: from `caller_stopped` to the first audio; null for a \
greeting and where the bot spoke before the caller had finished |
| `bot_text` | `question`, `text`: what the bot has said |
| `bot_stopped` | `question`, `spoke_secs`, `interrupted`, `yield_secs`: from `caller_started` to \
the end of the bot's audio, where the caller cut it off; else null |
| `message` | `message`: JSON from the server |
| `bad_message` | `fault`: the server sent something that is not on this wire |
| `closed` | `code`, `reason`, `by`: `"client"`, `"server"`, or `"network"` where neither did |
| `summary` | `questions`: for each `file`, `transcript`, `answer`, `latency_secs`; `greeting` |
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from voicewire.cli.printable import json_line, printable


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened."""

    name: ClassVar[str]
    at_secs: float

    def line(self) -> str:
        """Return it in words, fit for a terminal whatever the server has sent."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        return json_line({"event": self.name, **_rounded(asdict(self))})


def _rounded(value: Any) -> Any:
    """Return the value with each float in it to a tenth of a millisecond."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Connected(CallEvent):
    name = "connected"
    url: str

    def line(self) -> str:
        return f"connected to {printable(self.url)}"


@dataclass(frozen=True, slots=True)
class CallerStarted(CallEvent):
    name = "caller_started"
    question: int
    file: str

    def line(self) -> str:
        return f"caller: begins to speak ({printable(self.file)})"


@dataclass(frozen=True, slots=True)
class CallerStopped(CallEvent):
    name = "caller_stopped"
    question: int
    file: str

    def line(self) -> str:
        return "caller: has finished"


@dataclass(frozen=True, slots=True)
class Transcript(CallEvent):
    name = "transcript"
    question: int | None
    text: str

    def line(self) -> str:
        return f"understood: {printable(self.text)}"


@dataclass(frozen=True, slots=True)
class BotStarted(CallEvent):
    name = "bot_started"
    question: int | None
    latency_secs: float | None

    def line(self) -> str:
        if self.question is None:
            return "bot: begins its greeting"
        if self.latency_secs is None:
            return "bot: begins to speak before the caller has finished"
        return f"bot: first audio, {1000 * self.latency_secs:.0f} ms after the caller's last word"


@dataclass(frozen=True, slots=True)
class BotText(CallEvent):
    name = "bot_text"
    question: int | None
    text: str

    def line(self) -> str:
        return f"bot: {printable(self.text)}"


@dataclass(frozen=True, slots=True)
class BotStopped(CallEvent):
    name = "bot_stopped"
    question: int | None
    spoke_secs: float
    interrupted: bool
    yield_secs: float | None

    def line(self) -> str:
        if not self.interrupted:
            return f"bot: has finished, after {self.spoke_secs:.1f} s"
        line = f"bot: interrupted after {self.spoke_secs:.1f} s"
        if self.yield_secs is not None:
            line += f", {1000 * self.yield_secs:.0f} ms after the caller began to speak"
        return line


@dataclass(frozen=True, slots=True)
class Message(CallEvent):
    name = "message"
    message: Any

    def line(self) -> str:
        return f"message: {json_line(self.message)}"


@dataclass(frozen=True, slots=True)
class BadMessage(CallEvent):
    name = "bad_message"
    fault: str

    def line(self) -> str:
        return f"a message that cannot be read: {printable(self.fault)}"


@dataclass(frozen=True, slots=True)
class Closed(CallEvent):
    name = "closed"
    code: int
    reason: str
    by: str

    def line(self) -> str:
        reason = f", {printable(self.reason)}" if self.reason else ""
        return f"connection closed by the {self.by} ({self.code}{reason})"


@dataclass(slots=True)
class QuestionSummary:
    """One recording, what came of it and how fast."""

    file: str
    transcript: str = ""
    answer: str = ""
    latency_secs: float | None = None


@dataclass(frozen=True, slots=True)
class Summary(CallEvent):
    name = "summary"
    greeting: str
    questions: list[QuestionSummary]

    def line(self) -> str:
        lines = []
        for number, question in enumerate(self.questions, start=1):
            latency_secs = question.latency_secs
            speed = "no answer" if latency_secs is None else f"{1000 * latency_secs:.0f} ms"
            lines.append(f"\n{number}. {printable(question.file)} ({speed})")
            lines.append(f"   understood: {printable(question.transcript)}")
            lines.append(f"   answered:   {printable(question.answer)}")
        return "\n".join(lines)
