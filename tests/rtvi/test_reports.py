"""What a client is told of the frames that move."""

from types import SimpleNamespace
from typing import Any

import pytest

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    FatalErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsData,
    MetricsFrame,
    OutputAudioRawFrame,
    RTVIClientMessageFrame,
    RTVIServerMessageFrame,
    RTVIServerResponseFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.rtvi import FunctionCallReportLevel, RTVIParams
from voicewire.rtvi.reports import MAX_REMEMBERED, Reporter

DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM


def reported(
    *frames: Frame,
    major: int = 2,
    direction: FrameDirection = DOWN,
    is_sent: bool = False,
    params: RTVIParams | None = None,
) -> list[tuple[str, Any]]:
    """Return type and data of the messages for frames that move for the first time."""
    reporter = Reporter(params or RTVIParams(), major=major)
    return [
        (each["type"], each.get("data"))
        for frame in frames
        for each in reporter.report(frame, direction, is_sent=is_sent)
    ]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (UserStartedSpeakingFrame(), "user-started-speaking"),
        (UserStoppedSpeakingFrame(), "user-stopped-speaking"),
        (BotStartedSpeakingFrame(), "bot-started-speaking"),
        (BotStoppedSpeakingFrame(), "bot-stopped-speaking"),
        (LLMFullResponseStartFrame(), "bot-llm-started"),
        (LLMFullResponseEndFrame(), "bot-llm-stopped"),
        (TTSStartedFrame(), "bot-tts-started"),
        (TTSStoppedFrame(), "bot-tts-stopped"),
    ],
)
def test_beginnings_and_ends_are_told(frame: Frame, kind: str) -> None:
    assert reported(frame) == [(kind, None)]


def test_audio_is_no_message() -> None:
    pcm = bytes(640)
    frames = [kind(pcm, 16000, 1) for kind in (InputAudioRawFrame, OutputAudioRawFrame)]
    assert reported(*frames, TTSAudioRawFrame(pcm, 16000, 1)) == []


def test_a_frame_is_told_once_however_often_it_moves() -> None:
    frame = UserStartedSpeakingFrame()
    assert len(reported(frame, frame, frame)) == 1


def test_frames_that_go_both_ways_are_told_on_their_way_down() -> None:
    assert reported(BotStartedSpeakingFrame(), direction=UP) == []


def test_what_is_remembered_is_bounded() -> None:
    reporter = Reporter(RTVIParams(), major=2)
    for _ in range(MAX_REMEMBERED * 3):
        assert list(reporter.report(LLMTextFrame("a"), DOWN, is_sent=False))
    assert len(reporter._told) == MAX_REMEMBERED


def test_transcriptions_are_final_or_not() -> None:
    interim = InterimTranscriptionFrame("What", "anna", "2026-01-01T00:00:00Z")
    final = TranscriptionFrame("What is new?", "anna", "2026-01-01T00:00:01Z")
    assert reported(interim, final) == [
        (
            "user-transcription",
            {"text": text, "final": is_final, "timestamp": when, "user_id": "anna"},
        )
        for text, is_final, when in (
            ("What", False, "2026-01-01T00:00:00Z"),
            ("What is new?", True, "2026-01-01T00:00:01Z"),
        )
    ]


def test_the_answer_streams() -> None:
    assert reported(LLMFullResponseStartFrame(), LLMTextFrame("Hel"), LLMTextFrame("lo.")) == [
        ("bot-llm-started", None),
        ("bot-llm-text", {"text": "Hel"}),
        ("bot-llm-text", {"text": "lo."}),
    ]


def test_a_sentence_is_new_when_it_is_made_and_completed_when_it_is_said() -> None:
    frame = TTSTextFrame("Hello there.")
    reporter = Reporter(RTVIParams(), major=2)
    told = [
        each
        for is_sent in (False, False, True)
        for each in reporter.report(frame, DOWN, is_sent=is_sent)
    ]
    new, completed, words = [each["data"] for each in told]
    assert [each["type"] for each in told] == ["bot-output", "bot-output", "bot-tts-text"]
    assert new == {
        "text": "Hello there.",
        "aggregated_by": "sentence",
        "segment_id": frame.id,
        "will_be_spoken": True,
        "spoken_status": "new",
        "spoken_progress": {"accumulated_text": "", "remaining_text": "Hello there."},
    }
    assert completed["spoken_status"] == "completed"
    assert completed["segment_id"] == frame.id
    assert completed["spoken_progress"] == {
        "accumulated_text": "Hello there.",
        "remaining_text": "",
    }
    assert words == {"text": "Hello there."}


def test_a_client_of_major_1_gets_its_own_form() -> None:
    frame = TTSTextFrame("Hello.")
    assert reported(frame, major=1) == [
        ("bot-output", {"text": "Hello.", "aggregated_by": "sentence", "spoken": False})
    ]
    assert reported(frame, major=1, is_sent=True)[0] == (
        "bot-output",
        {"text": "Hello.", "aggregated_by": "sentence", "spoken": True},
    )


def test_an_answer_that_is_only_to_be_read_is_told_whole() -> None:
    told = reported(
        LLMFullResponseStartFrame(),
        LLMTextFrame("It is ", skip_tts=True),
        LLMTextFrame("noon.", skip_tts=True),
        LLMFullResponseEndFrame(),
        params=RTVIParams(bot_llm_enabled=False),
    )
    assert len(told) == 1
    kind, data = told[0]
    assert (kind, data["text"], data["will_be_spoken"]) == ("bot-output", "It is noon.", False)
    assert "spoken_progress" not in data


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("What is new?", "What is new?"),
        (
            [{"type": "text", "text": "What"}, {"type": "image_url"}, {"text": "is it?"}],
            "What is it?",
        ),
    ],
)
def test_a_question_is_the_last_message_of_the_context(content: Any, text: str) -> None:
    context = SimpleNamespace(messages=[{"role": "user", "content": content}])
    assert reported(LLMContextFrame(context)) == [("user-llm-text", {"text": text})]


@pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Hello."}]])
def test_a_context_without_a_question_is_not_told(messages: list[Any]) -> None:
    assert reported(LLMContextFrame(SimpleNamespace(messages=messages))) == []


LEVELS = FunctionCallReportLevel


@pytest.mark.parametrize(
    ("level", "started", "running", "stopped"),
    [
        (LEVELS.NONE, {}, {}, {}),
        (LEVELS.NAME, {"function_name": "f"}, {"function_name": "f"}, {"function_name": "f"}),
        (
            LEVELS.ARGUMENTS,
            {"function_name": "f"},
            {"function_name": "f", "arguments": {"x": 1}},
            {"function_name": "f"},
        ),
        (
            LEVELS.FULL,
            {"function_name": "f"},
            {"function_name": "f", "arguments": {"x": 1}},
            {"function_name": "f", "result": 42},
        ),
    ],
)
def test_a_function_call_is_told_as_far_as_its_level_allows(
    level: FunctionCallReportLevel, started: Any, running: Any, stopped: Any
) -> None:
    told = reported(
        FunctionCallsStartedFrame([FunctionCallFromLLM("f", "c1", {"x": 1}, None)]),
        FunctionCallInProgressFrame("f", "c1", {"x": 1}),
        FunctionCallResultFrame("f", "c1", {"x": 1}, 42),
        FunctionCallCancelFrame("f", "c2"),
        params=RTVIParams(function_call_report_level={"*": LEVELS.DISABLED, "f": level}),
    )
    cancelled = {key: value for key, value in stopped.items() if key != "result"}
    assert told == [
        ("llm-function-call-started", started),
        ("llm-function-call-in-progress", {"tool_call_id": "c1", **running}),
        ("llm-function-call-stopped", {"tool_call_id": "c1", "cancelled": False, **stopped}),
        ("llm-function-call-stopped", {"tool_call_id": "c2", "cancelled": True, **cancelled}),
    ]


def test_a_function_that_is_not_to_be_told_of_is_not() -> None:
    frame = FunctionCallInProgressFrame("f", "c1", {})
    params = RTVIParams(function_call_report_level={"*": LEVELS.DISABLED})
    assert reported(frame, params=params) == []


def test_metrics_are_told_by_what_was_measured() -> None:
    frame = MetricsFrame(
        [
            MetricsData("LLM#0", "ttfb_secs", 0.25, model="small"),
            MetricsData("TTS#0", "ttfb_secs", 0.125),
            MetricsData("TTS#0", "processing_secs", 0.5),
        ]
    )
    assert reported(frame) == [
        (
            "metrics",
            {
                "ttfb": [
                    {"processor": "LLM#0", "value": 0.25, "model": "small"},
                    {"processor": "TTS#0", "value": 0.125},
                ],
                "processing": [{"processor": "TTS#0", "value": 0.5}],
            },
        )
    ]


@pytest.mark.parametrize(
    ("frame", "is_fatal"), [(ErrorFrame("no voice"), False), (FatalErrorFrame("no voice"), True)]
)
def test_errors_are_told_in_the_words_of_all_clients(frame: ErrorFrame, is_fatal: bool) -> None:
    assert reported(frame, direction=UP) == [
        ("error", {"error": "no voice", "message": "no voice", "fatal": is_fatal})
    ]


def test_a_processor_can_speak_to_the_client() -> None:
    asked = RTVIClientMessageFrame("m1", "sky", None)
    reporter = Reporter(RTVIParams(), major=2)
    told = [
        each
        for frame in (
            RTVIServerMessageFrame({"hello": 1}),
            RTVIServerResponseFrame(asked, {"sky": "clear"}),
            RTVIServerResponseFrame(asked, error="it is night"),
        )
        for each in reporter.report(frame, DOWN, is_sent=False)
    ]
    label = {"label": "rtvi-ai"}
    assert told == [
        {**label, "type": "server-message", "data": {"hello": 1}},
        {
            **label,
            "type": "server-response",
            "id": "m1",
            "data": {"t": "sky", "d": {"sky": "clear"}},
        },
        {**label, "type": "error-response", "id": "m1", "data": {"error": "it is night"}},
    ]


@pytest.mark.parametrize(
    ("switch", "frame"),
    [
        ("bot_output_enabled", TTSTextFrame("Hello.")),
        ("bot_tts_enabled", TTSStartedFrame()),
        ("bot_llm_enabled", LLMTextFrame("Hello.")),
        ("bot_speaking_enabled", BotStartedSpeakingFrame()),
        ("user_speaking_enabled", UserStartedSpeakingFrame()),
        ("user_transcription_enabled", TranscriptionFrame("Hello.", "", "")),
        (
            "user_llm_enabled",
            LLMContextFrame(SimpleNamespace(messages=[{"role": "user", "content": "Hello."}])),
        ),
        ("metrics_enabled", MetricsFrame([MetricsData("a", "ttfb_secs", 1.0)])),
    ],
)
def test_each_kind_can_be_switched_off(switch: str, frame: Frame) -> None:
    assert reported(frame)
    assert reported(frame, params=RTVIParams.model_validate({switch: False})) == []


def test_errors_can_be_switched_off() -> None:
    silent = RTVIParams(errors_enabled=False)
    assert reported(ErrorFrame("secret"), direction=UP, params=silent) == []
