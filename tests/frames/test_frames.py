import importlib
import pkgutil
import weakref
from typing import Any

import pytest

import voicewire.frames
from voicewire.frames import (
    AudioRawFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ControlFrame,
    DataFrame,
    EndFrame,
    ErrorFrame,
    FatalErrorFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    HeartbeatFrame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    ServiceUpdateSettingsFrame,
    StartFrame,
    StopFrame,
    STTUpdateSettingsFrame,
    SystemFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
    UserStartedSpeakingFrame,
)

AUDIO_TYPES = [InputAudioRawFrame, OutputAudioRawFrame, TTSAudioRawFrame]


# Not by __subclasses__: until it is collected, it lists a dataclass from before it got its slots.
OUR_FRAME_TYPES: list[type[Frame]] = [
    frame_type
    for frame_type in vars(voicewire.frames).values()
    if isinstance(frame_type, type) and issubclass(frame_type, Frame)
]


@pytest.mark.parametrize("frame_type", AUDIO_TYPES)
def test_audio_is_built_in_the_order_that_users_write(frame_type: Any) -> None:
    by_position = frame_type(b"\x01\x00", 16000, 1)
    by_keyword = frame_type(num_channels=1, audio=b"\x01\x00", sample_rate=16000)
    for frame in (by_position, by_keyword):
        assert (frame.audio, frame.sample_rate, frame.num_channels) == (b"\x01\x00", 16000, 1)


@pytest.mark.parametrize("frame_type", AUDIO_TYPES)
def test_all_audio_is_raw_audio(frame_type: Any) -> None:
    assert isinstance(frame_type(b"", 16000, 1), AudioRawFrame)


def test_speech_is_output_too() -> None:
    assert isinstance(TTSAudioRawFrame(b"", 16000, 1), OutputAudioRawFrame)


def test_audio_knows_how_long_it_plays() -> None:
    stereo = OutputAudioRawFrame(bytes(64000), 16000, 2)
    assert stereo.duration_secs == 1.0
    assert stereo.num_frames == 16000


def test_audio_is_described_without_its_samples() -> None:
    described = "InputAudioRawFrame(320 samples, 16000 Hz, 1 ch)"
    frame = InputAudioRawFrame(bytes(640), 16000, 1)
    assert str(frame) == repr(frame) == described


def test_a_transcription_is_built_in_the_order_that_users_write() -> None:
    frame = TranscriptionFrame("hello", "caller", "2026-11-01T12:00:00Z")
    assert (frame.text, frame.user_id, frame.timestamp) == (
        "hello",
        "caller",
        "2026-11-01T12:00:00Z",
    )
    assert frame.language is None


@pytest.mark.parametrize(
    ("frame_type", "family"),
    [
        (InputAudioRawFrame, SystemFrame),
        (OutputAudioRawFrame, DataFrame),
        (TextFrame, DataFrame),
        (TTSSpeakFrame, DataFrame),
        (InputTransportMessageFrame, SystemFrame),
        (OutputTransportMessageFrame, DataFrame),
        (OutputTransportMessageUrgentFrame, SystemFrame),
        (StartFrame, SystemFrame),
        (EndFrame, ControlFrame),
        (StopFrame, ControlFrame),
        (CancelFrame, SystemFrame),
        (ErrorFrame, SystemFrame),
        (InterruptionFrame, SystemFrame),
        (UserStartedSpeakingFrame, SystemFrame),
        (BotStoppedSpeakingFrame, SystemFrame),
        (LLMFullResponseStartFrame, ControlFrame),
        (LLMFullResponseEndFrame, ControlFrame),
        (TTSStartedFrame, ControlFrame),
    ],
)
def test_each_frame_travels_with_its_family(frame_type: type[Frame], family: type[Frame]) -> None:
    assert issubclass(frame_type, family)


@pytest.mark.parametrize("frame_type", OUR_FRAME_TYPES)
def test_no_frame_is_of_two_families(frame_type: type[Frame]) -> None:
    families = [DataFrame, ControlFrame, SystemFrame]
    assert sum(issubclass(frame_type, family) for family in families) <= 1


@pytest.mark.parametrize(
    "frame_type", [TranscriptionFrame, InterimTranscriptionFrame, LLMTextFrame, TTSTextFrame]
)
def test_all_text_is_text(frame_type: type[Frame]) -> None:
    assert issubclass(frame_type, TextFrame)


def test_what_must_not_be_lost_is_uninterruptible() -> None:
    uninterruptible = {frame_type for frame_type in OUR_FRAME_TYPES if not frame_type.interruptible}
    assert uninterruptible == {
        EndFrame,
        HeartbeatFrame,
        StopFrame,
        FunctionCallInProgressFrame,
        FunctionCallResultFrame,
        LLMConfigureOutputFrame,
        ServiceUpdateSettingsFrame,
        STTUpdateSettingsFrame,
        LLMUpdateSettingsFrame,
        TTSUpdateSettingsFrame,
    }


def test_a_fatal_error_is_fatal() -> None:
    assert not ErrorFrame("oh").fatal
    assert FatalErrorFrame("oh").fatal


def test_ids_are_unique_and_grow() -> None:
    first, second = TextFrame("a"), EndFrame()
    assert first.id < second.id


def test_a_frame_is_named_after_its_class_and_id() -> None:
    frame = TextFrame("hi")
    assert frame.name == str(frame) == f"TextFrame#{frame.id}"


def test_a_name_can_be_set() -> None:
    frame = TextFrame("hi")
    frame.name = "greeting"
    assert frame.name == str(frame) == "greeting"


def test_metadata_is_made_when_first_asked_for() -> None:
    frame = TextFrame("hi")
    assert frame._metadata is None
    frame.metadata["seen"] = True
    assert frame.metadata == {"seen": True}
    assert TextFrame("hi").metadata == {}


def test_frames_are_equal_only_to_themselves_and_hashable() -> None:
    frame = TextFrame("hi")
    assert frame != TextFrame("hi")
    assert len({frame, frame}) == 1


def test_frames_can_be_referred_to_weakly() -> None:
    frame = TextFrame("hi")
    assert weakref.ref(frame)() is frame


@pytest.mark.parametrize("frame_type", OUR_FRAME_TYPES)
def test_no_frame_has_a_dict_of_its_own(frame_type: type[Frame]) -> None:
    assert "__dict__" not in dir(frame_type)


def test_a_misspelt_attribute_is_an_error() -> None:
    frame: Any = TextFrame("hi")
    with pytest.raises(AttributeError):
        frame.txet = "ho"


def test_applications_derive_frames_of_their_own() -> None:
    class Weather(DataFrame):
        def __init__(self, degrees: float) -> None:
            super().__init__()
            self.degrees = degrees

    frame = Weather(21.5)
    assert frame.degrees == 21.5
    assert frame.name == f"Weather#{frame.id}"


def test_everything_public_is_exported() -> None:
    public = set()
    for module_info in pkgutil.iter_modules(voicewire.frames.__path__, "voicewire.frames."):
        module = importlib.import_module(module_info.name)
        public |= {
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        }
    public.add("Message")  # an alias, which belongs to no module
    assert set(voicewire.frames.__all__) == public


def test_each_export_exists_once() -> None:
    exported = voicewire.frames.__all__
    assert len(exported) == len(set(exported))
    assert all(hasattr(voicewire.frames, name) for name in exported)
