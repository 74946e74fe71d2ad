import pytest
from pydantic import ValidationError

from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.settings import ConnectionSettings, ListenerSettings
from voicewire.transports.websocket import listener_settings


def test_the_defaults_are_valid() -> None:
    assert ListenerSettings().connection == ConnectionSettings()


def test_the_low_water_mark_is_below_the_high_one() -> None:
    with pytest.raises(ValidationError, match="less than"):
        ConnectionSettings(write_high_water_bytes=100, write_low_water_bytes=100)


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_mesage_bytes"):
        ConnectionSettings(max_mesage_bytes=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("is_wanted", [False, True])
def test_compression_is_what_the_params_say(is_wanted: bool) -> None:
    params = WebsocketServerParams(permessage_deflate=is_wanted)
    assert listener_settings(params).permessage_deflate is is_wanted
