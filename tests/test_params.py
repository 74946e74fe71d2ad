"""Parameters: a wrong name is an error that names the right one."""

import pytest
from pydantic import AliasChoices, Field, ValidationError

from voicewire.params import Params


class Pace(Params):
    lead_secs: float = 0.1
    chunk_ms: int = Field(20, validation_alias=AliasChoices("chunk_ms", "frame_ms"))


def test_known_names_and_aliases_are_accepted() -> None:
    pace = Pace.model_validate({"lead_secs": 0.5, "frame_ms": 40})
    assert (pace.lead_secs, pace.chunk_ms) == (0.5, 40)


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        ValidationError, match=r"unknown parameter 'led_secs'\. Did you mean 'lead_s"
    ):
        Pace.model_validate({"led_secs": 0.5})


def test_every_unknown_name_is_named() -> None:
    with pytest.raises(ValidationError, match=r"'led_secs'.*; unknown parameter 'zzz'\."):
        Pace.model_validate({"led_secs": 0.5, "zzz": 1})


def test_an_existing_model_passes_unchanged() -> None:
    pace = Pace()
    assert Pace.model_validate(pace) is pace


def test_what_is_no_mapping_is_refused_by_pydantic() -> None:
    with pytest.raises(ValidationError):
        Pace.model_validate(3)
