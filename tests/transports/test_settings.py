import pytest
from pydantic import ValidationError

from voicewire.transports.settings import ConnectionSettings, ListenerSettings


def test_the_defaults_are_valid() -> None:
    assert ListenerSettings().connection == ConnectionSettings()


def test_the_low_water_mark_is_below_the_high_one() -> None:
    with pytest.raises(ValidationError, match="less than"):
        ConnectionSettings(write_high_water_bytes=100, write_low_water_bytes=100)


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_mesage_bytes"):
        ConnectionSettings(max_mesage_bytes=1)  # type: ignore[call-arg]
