"""The table of parameters: defaults, bounds, and what a mistake is answered with."""

import logging
from typing import Any

import pytest
from pydantic import ValidationError

from tests.transports.fakes import ToneVAD
from voicewire.errors import ConfigurationError
from voicewire.rtvi import RTVIParams
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.transports import (
    TransportParams,
    WebsocketClientParams,
    WebsocketServerParams,
    WebsocketServerTransport,
)

DEFAULTS: dict[str, object] = {
    "add_wav_header": False,
    "session_timeout": None,
    "audio_in_enabled": False,
    "audio_in_passthrough": None,
    "audio_in_sample_rate": 16000,
    "audio_in_channels": 1,
    "audio_out_enabled": False,
    "audio_out_sample_rate": None,
    "audio_out_channels": 1,
    "audio_out_10ms_chunks": 4,
    "audio_in_max_ahead_secs": 30.0,
    "audio_out_lead_secs": 0.08,
    "audio_out_flush_lead_secs": 1.0,
    "audio_out_max_queued_secs": 300.0,
    "audio_out_max_lag_secs": 10.0,
    "vad_analyzer": None,
    "echo_guard": False,
    "text_in_enabled": False,
    "on_second_client": "replace",
    "allowed_origins": None,
    "max_message_bytes": 1 << 20,
    "ping_interval_secs": 10.0,
    "ping_timeout_secs": 10.0,
    "trusted_proxies": (),
    "tls": None,
    "tcp_congestion_control": None,
    "permessage_deflate": False,
    "talk_page": True,
    "authenticate": None,
    "authenticate_timeout_secs": 5.0,
    "connect_hook": None,
    "public_url": None,
    "resume_window_secs": 30.0,
    "session_store": None,
}


def test_every_default_is_the_documented_one() -> None:
    params = WebsocketServerParams()
    assert params.model_dump(exclude={"serializer", "rtvi", "dialects"}) == DEFAULTS
    assert sorted(params.dialects) == [
        "/asterisk",
        "/detect",
        "/exotel",
        "/genesys",
        "/plivo",
        "/raw",
        "/telnyx",
        "/twilio",
        "/v1/realtime",
        "/vonage",
    ]
    assert params.rtvi == RTVIParams()
    assert isinstance(params.serializer, ProtobufFrameSerializer)


@pytest.mark.parametrize(
    ("enabled", "passthrough", "passes"),
    [
        (False, None, False),
        (True, None, True),
        (True, False, False),
        (True, True, True),
        (False, True, False),
    ],
)
def test_passthrough_follows_audio_in_enabled_unless_it_is_said(
    enabled: bool, passthrough: bool | None, passes: bool
) -> None:
    params = TransportParams(audio_in_enabled=enabled, audio_in_passthrough=passthrough)
    assert params.passes_audio_in is passes


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("audio_in_enable", "audio_in_enabled"),
        ("session_time_out", "session_timeout"),
        ("vad_analyser", "vad_analyzer"),
        ("audio_out_10_ms_chunks", "audio_out_10ms_chunks"),
        ("allow_origins", "allowed_origins"),
    ],
)
def test_an_unknown_parameter_is_answered_with_the_nearest_right_one(
    wrong: str, right: str
) -> None:
    with pytest.raises(
        ValidationError, match=f"unknown parameter '{wrong}'. Did you mean '{right}'"
    ):
        WebsocketServerParams(**{wrong: True})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audio_in_sample_rate", 7999),
        ("audio_in_sample_rate", 192_001),
        ("audio_in_channels", 0),
        ("audio_in_channels", 9),
        ("audio_out_sample_rate", 0),
        ("audio_out_channels", 0),
        ("audio_out_10ms_chunks", 0),
        ("audio_out_10ms_chunks", 101),
        ("audio_out_lead_secs", -0.1),
        ("audio_out_max_queued_secs", 0),
        ("audio_out_max_lag_secs", 0),
        ("session_timeout", 0),
        ("session_timeout", float("nan")),
        ("on_second_client", "ignore"),
        ("max_message_bytes", 10),
        ("ping_interval_secs", 0),
        ("ping_timeout_secs", -1),
        ("vad_analyzer", "silero"),
        ("serializer", "protobuf"),
    ],
)
def test_a_value_out_of_its_bounds_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        WebsocketServerParams(**{name: value})


def test_no_serializer_is_refused_with_an_explanation() -> None:
    with pytest.raises(ValidationError, match="serializer=None would drop every message"):
        WebsocketServerParams(serializer=None)


@pytest.mark.parametrize("sample_rate", [22050, 24000, 44100, 48000])
def test_a_rate_that_vad_cannot_take_is_an_error_at_construction(sample_rate: int) -> None:
    with pytest.raises(
        ValidationError, match=f"ToneVAD works at 8000 or 16000 Hz, not at {sample_rate}"
    ):
        WebsocketServerParams(
            audio_in_enabled=True, audio_in_sample_rate=sample_rate, vad_analyzer=ToneVAD()
        )


def test_vad_that_would_hear_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        TransportParams(vad_analyzer=ToneVAD(), audio_in_enabled=True)
        assert caplog.records == []
        TransportParams(vad_analyzer=ToneVAD())
    assert "vad_analyzer hears nothing without audio_in_enabled=True" in caplog.text


class Uncopied(ProtobufFrameSerializer):
    """Holds something that there can be only one of."""

    def __deepcopy__(self, memo: object) -> "Uncopied":
        raise TypeError("there is only one of me")


def test_a_serializer_that_clients_would_have_to_share_is_an_error_at_construction() -> None:
    with pytest.raises(ValueError, match="Uncopied cannot be copied, and each client needs its"):
        WebsocketServerTransport(params=WebsocketServerParams(serializer=Uncopied()))


def test_every_parameter_is_described() -> None:
    for model in (WebsocketServerParams, WebsocketClientParams):
        described = "".join(base.__doc__ or "" for base in model.__mro__)
        for name in model.model_fields:
            assert f" {name}: " in described


def test_the_transport_has_the_usual_address_and_events() -> None:
    transport = WebsocketServerTransport()
    assert (transport.host, transport.port) == ("localhost", 8765)
    with pytest.raises(ValueError, match=r"there is no event 'on_client_conected'.*Did you mean"):
        transport.event_handler("on_client_conected")
    with pytest.raises(
        ValueError,
        match="on_client_connected, on_client_disconnected, on_session_timeout, on_websocket_ready",
    ):
        transport.event_handler("on_connect")


def test_a_handler_that_is_not_asynchronous_is_an_error() -> None:
    transport = WebsocketServerTransport()

    def on_client_connected(transport: object, client: object) -> None: ...

    with pytest.raises(TypeError, match="the handler of 'on_client_connected' must be an `async"):
        transport.event_handler("on_client_connected")(on_client_connected)  # type: ignore[type-var]


@pytest.mark.parametrize("port", [-1, 65_536, "8765", None, 87.5])
def test_a_port_that_is_none_is_an_error_at_construction(port: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a number of 0\.\.65535"):
        WebsocketServerTransport(port=port)


def test_params_of_another_kind_are_an_error_that_names_the_right_one() -> None:
    params: Any = {"audio_in_enabled": True}
    with pytest.raises(ConfigurationError, match="params is dict; expected WebsocketServerParams"):
        WebsocketServerTransport(params=params)
