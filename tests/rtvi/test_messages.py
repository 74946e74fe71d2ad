import pytest
from pydantic import ValidationError

from voicewire.frames import KeypadEntry
from voicewire.rtvi.messages import DTMF, RawAudio, SendText, fault_of, major_of, message


@pytest.mark.parametrize(("version", "major"), [("2.1.0", 2), ("2.99.0", 2), ("1.0.0", 1)])
def test_versions_of_two_majors_are_spoken(version: str, major: int) -> None:
    assert major_of(version) == major


@pytest.mark.parametrize(
    "version", ["", "2", "2.1", "3.0.0", "0.3.0", "a.b.c", "2.1.0.0", "-2.1.0"]
)
def test_any_other_version_is_refused_with_what_would_be_right(version: str) -> None:
    with pytest.raises(ValueError, match=r"2\.1\.0"):
        major_of(version)


def test_an_answer_carries_the_id_of_what_it_answers() -> None:
    assert message("bot-ready", {"version": "2.1.0"}, to="7") == {
        "label": "rtvi-ai",
        "type": "bot-ready",
        "id": "7",
        "data": {"version": "2.1.0"},
    }


@pytest.mark.parametrize("data", [{"buttons": ["4", "#"]}, {"buttons": ["4", "#"], "more": 1}])
def test_keys_are_those_of_a_telephone(data: dict[str, object]) -> None:
    assert DTMF.model_validate(data).buttons == [KeypadEntry.FOUR, KeypadEntry.POUND]


def test_older_clients_press_one_key_at_a_time() -> None:
    assert DTMF.model_validate({"button": "*"}).buttons == [KeypadEntry.STAR]


def test_audio_comes_alone_or_in_batches() -> None:
    form = {"sampleRate": 16000, "numChannels": 1}
    assert RawAudio.model_validate({**form, "base64Audio": "AAAA"}).batch == ["AAAA"]
    assert RawAudio.model_validate({**form, "base64AudioBatch": ["AA", "AB"]}).batch == ["AA", "AB"]


def test_a_fault_says_where_and_quotes_nothing() -> None:
    with pytest.raises(ValidationError) as caught:
        SendText.model_validate({"content": ["my secret"]})
    fault = fault_of(caught.value)
    assert fault.startswith("data.content: ")
    assert "secret" not in fault
