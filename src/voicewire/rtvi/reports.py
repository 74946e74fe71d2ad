"""From the pipeline's frames to what a client is told of them. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from voicewire.frames import (
    BotSpeechCutFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    RTVIServerMessageFrame,
    RTVIServerResponseFrame,
    TranscriptionFrame,
    TTSSentenceFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.rtvi.messages import Json, message
from voicewire.rtvi.params import FunctionCallReportLevel, RTVIParams

MAX_REMEMBERED = 256
"""Frames that are known to have been reported: more than move through a pipeline at a time."""

_Report = Callable[[Any], Iterable[Json]]


class Reporter:
    """Says what a client is told of a frame, the first time that it moves.

    The words of text-to-speech are told twice: as what will be said when they come, and as what
    has been said when the output has sent their audio.

    Args:
        params: What the client is told.
        major: The version of RTVI that it speaks.
        tells_cuts: Whether it wants to know what it has not heard of an answer that was cut off.
    """

    def __init__(self, params: RTVIParams, *, major: int, tells_cuts: bool = False) -> None:
        self._tells_cuts = tells_cuts
        self._levels = params.function_call_report_level
        self._is_legacy = major < 2
        self._told: OrderedDict[int, Frame] = OrderedDict()
        """By `id()`, which is unique as long as the frame is kept."""
        self._unspoken: list[str] = []
        self._params = params
        self._reports = self._table()
        self._report_of_type: dict[type[Frame], _Report | None] = {}

    def report(self, frame: Frame, direction: FrameDirection, *, is_sent: bool) -> Iterable[Json]:
        """Return the messages.

        Args:
            frame: What moves.
            direction: Which way. Frames that go both ways are told of once.
            is_sent: Whether it comes out of the output: its turn among the audio has come.
        """
        kind = type(frame)
        try:
            report = self._report_of_type[kind]
        except KeyError:
            report = self._reports.get(next((b for b in kind.__mro__ if b in self._reports), kind))
            self._report_of_type[kind] = report
        if report is None:
            return ()
        is_upstream = direction is FrameDirection.UPSTREAM
        if is_upstream is not isinstance(frame, ErrorFrame):
            return ()
        if is_sent and isinstance(frame, TTSTextFrame):
            return self._words_said(frame)
        if id(frame) in self._told:
            return ()
        self._told[id(frame)] = frame
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        return report(frame)

    def close(self) -> None:
        """Tell of nothing any more."""
        self._reports.clear()
        self._report_of_type.clear()

    def _table(self) -> dict[type[Frame], _Report]:
        params = self._params
        table: dict[type[Frame], _Report] = {
            RTVIServerMessageFrame: lambda frame: [message("server-message", frame.data)],
            RTVIServerResponseFrame: lambda frame: [response(frame)],
            FunctionCallsStartedFrame: self._calls_started,
            FunctionCallInProgressFrame: self._call_in_progress,
            FunctionCallResultFrame: self._call_result,
            FunctionCallCancelFrame: self._call_cancelled,
            TTSSentenceFrame: self._sentence_to_say,
            TTSTextFrame: self._words_to_say,
        }
        if self._tells_cuts and params.bot_output_enabled:
            table[BotSpeechCutFrame] = _cut
        if params.user_speaking_enabled:
            table[UserStartedSpeakingFrame] = _always("user-started-speaking")
            table[UserStoppedSpeakingFrame] = _always("user-stopped-speaking")
        if params.bot_speaking_enabled:
            table[BotStartedSpeakingFrame] = _always("bot-started-speaking")
            table[BotStoppedSpeakingFrame] = _always("bot-stopped-speaking")
        if params.user_transcription_enabled:
            table[TranscriptionFrame] = _transcription
            table[InterimTranscriptionFrame] = _transcription
        if params.user_llm_enabled:
            table[LLMContextFrame] = _question
        if params.bot_llm_enabled or params.bot_output_enabled:
            table[LLMFullResponseStartFrame] = self._answer_begins
            table[LLMTextFrame] = self._answer_goes_on
            table[LLMFullResponseEndFrame] = self._answer_ends
        if params.bot_tts_enabled:
            table[TTSStartedFrame] = _always("bot-tts-started")
            table[TTSStoppedFrame] = _always("bot-tts-stopped")
        if params.metrics_enabled:
            table[MetricsFrame] = _metrics
        if params.errors_enabled:
            table[ErrorFrame] = _error
        return table

    def _answer_begins(self, frame: LLMFullResponseStartFrame) -> Iterable[Json]:
        self._unspoken.clear()
        if self._params.bot_llm_enabled:
            yield message("bot-llm-started")

    def _answer_goes_on(self, frame: LLMTextFrame) -> Iterable[Json]:
        if frame.skip_tts:
            self._unspoken.append(frame.text)
        if self._params.bot_llm_enabled:
            yield message("bot-llm-text", {"text": frame.text})

    def _answer_ends(self, frame: LLMFullResponseEndFrame) -> Iterable[Json]:
        text = "".join(self._unspoken).strip()
        self._unspoken.clear()
        if text and self._params.bot_output_enabled:
            yield self._output(text, frame.id, will_be_spoken=False, status="new")
        if self._params.bot_llm_enabled:
            yield message("bot-llm-stopped")

    def _sentence_to_say(self, frame: TTSSentenceFrame) -> Iterable[Json]:
        if self._params.bot_output_enabled:
            yield self._output(frame.text, frame.id, will_be_spoken=True, status="new")

    def _words_to_say(self, frame: TTSTextFrame) -> Iterable[Json]:
        if self._params.bot_output_enabled and frame.sentence_id is None:
            yield self._output(frame.text, frame.id, will_be_spoken=True, status="new")

    def _words_said(self, frame: TTSTextFrame) -> Iterable[Json]:
        segment_id = frame.id if frame.sentence_id is None else frame.sentence_id
        if self._params.bot_output_enabled:
            yield self._output(frame.text, segment_id, will_be_spoken=True, status="completed")
        if self._params.bot_tts_enabled:
            yield message("bot-tts-text", {"text": frame.text})

    def _output(self, text: str, segment_id: int, *, will_be_spoken: bool, status: str) -> Json:
        data: Json = {"text": text, "aggregated_by": "sentence"}
        is_said = status == "completed"
        if self._is_legacy:
            return message("bot-output", {**data, "spoken": is_said})
        data |= {
            "segment_id": segment_id,
            "will_be_spoken": will_be_spoken,
            "spoken_status": status,
        }
        if will_be_spoken:
            data["spoken_progress"] = {
                "accumulated_text": text if is_said else "",
                "remaining_text": "" if is_said else text,
            }
        return message("bot-output", data)

    def _calls_started(self, frame: FunctionCallsStartedFrame) -> Iterable[Json]:
        for call in frame.function_calls:
            yield from self._call("started", call)

    def _call_in_progress(self, frame: FunctionCallInProgressFrame) -> Iterable[Json]:
        yield from self._call("in-progress", frame)

    def _call_result(self, frame: FunctionCallResultFrame) -> Iterable[Json]:
        yield from self._call("stopped", frame, cancelled=False)

    def _call_cancelled(self, frame: FunctionCallCancelFrame) -> Iterable[Json]:
        yield from self._call("stopped", frame, cancelled=True)

    def _call(self, phase: str, call: Any, *, cancelled: bool | None = None) -> Iterable[Json]:
        levels = self._levels
        level = levels.get(call.function_name, levels.get("*", FunctionCallReportLevel.NONE))
        if level is FunctionCallReportLevel.DISABLED:
            return
        data: Json = {}
        if phase != "started":
            data["tool_call_id"] = call.tool_call_id
        if cancelled is not None:
            data["cancelled"] = cancelled
        if level is not FunctionCallReportLevel.NONE:
            data["function_name"] = call.function_name
        if phase == "in-progress" and level in _WITH_ARGUMENTS:
            data["arguments"] = call.arguments
        if cancelled is False and level is FunctionCallReportLevel.FULL:
            data["result"] = call.result
        yield message(f"llm-function-call-{phase}", data)


def response(frame: RTVIServerResponseFrame) -> Json:
    """Return the answer to a client's message."""
    asked = frame.client_msg
    if frame.error is not None:
        return message("error-response", {"error": frame.error}, to=asked.msg_id)
    return message("server-response", {"t": asked.type, "d": frame.data}, to=asked.msg_id)


_WITH_ARGUMENTS = (FunctionCallReportLevel.ARGUMENTS, FunctionCallReportLevel.FULL)


def _always(kind: str) -> _Report:
    return lambda frame: [message(kind)]


def _cut(frame: BotSpeechCutFrame) -> Iterable[Json]:
    sentences = [
        {"segment_id": each.sentence.id, "text": each.sentence.text, "heard": each.heard}
        for each in frame.sentences
    ]
    data = {"heard": frame.heard, "unheard": frame.unheard, "segments": sentences}
    return [message("vw-cut", data)]


def _transcription(frame: TranscriptionFrame | InterimTranscriptionFrame) -> Iterable[Json]:
    data = {
        "text": frame.text,
        "final": isinstance(frame, TranscriptionFrame),
        "timestamp": frame.timestamp,
        "user_id": frame.user_id,
    }
    return [message("user-transcription", data)]


def _question(frame: LLMContextFrame) -> Iterable[Json]:
    messages = frame.context.messages
    last = messages[-1] if messages else {}
    if last.get("role") != "user":
        return []
    content = last.get("content")
    if isinstance(content, list):  # Parts: text, images, files.
        content = " ".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return [message("user-llm-text", {"text": content})] if content else []


def _metrics(frame: MetricsFrame) -> Iterable[Json]:
    data: dict[str, list[Json]] = {}
    for each in frame.data:
        one: Json = {"processor": each.processor, "value": each.value}
        if each.model is not None:
            one["model"] = each.model
        data.setdefault(each.name.removesuffix("_secs"), []).append(one)
    return [message("metrics", data)]


def _error(frame: ErrorFrame) -> Iterable[Json]:
    # Clients differ in which of the two they read.
    return [message("error", {"error": frame.error, "message": frame.error, "fatal": frame.fatal})]
