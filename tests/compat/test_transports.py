"""Arguments of Pipecat's WebSocket server."""

import pytest
from pydantic import ValidationError

from voicewire import transports
from voicewire.compat.transports import WebsocketServerParams, WebsocketServerTransport
from voicewire.vad import SileroVADAnalyzer


def test_params_may_come_first_and_without_the_keyword() -> None:
    params = WebsocketServerParams(add_wav_header=True)

    transport = WebsocketServerTransport(params, "127.0.0.1", 9000)

    assert isinstance(transport, transports.WebsocketServerTransport)
    assert transport.params is params
    assert (transport.host, transport.port) == ("127.0.0.1", 9000)


def test_the_defaults_are_ours() -> None:
    transport = WebsocketServerTransport()

    assert (transport.host, transport.port) == ("localhost", 8765)
    ours = transports.WebsocketServerParams().model_dump(exclude={"serializer", "dialects"})
    assert ours.items() <= WebsocketServerParams().model_dump().items()


@pytest.mark.parametrize(("vad_enabled", "hears"), [(None, True), (True, True), (False, False)])
def test_the_old_switch_of_vad_takes_the_analyzer_away(
    vad_enabled: bool | None, hears: bool
) -> None:
    params = WebsocketServerParams(
        audio_in_enabled=True, vad_enabled=vad_enabled, vad_analyzer=SileroVADAnalyzer()
    )

    assert (params.vad_analyzer is not None) is hears


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({}, True),
        ({"vad_audio_passthrough": True}, True),
        ({"vad_audio_passthrough": False}, False),
        ({"vad_audio_passthrough": False, "audio_in_passthrough": True}, True),
    ],
)
def test_the_old_switch_of_passthrough_counts_where_the_new_one_is_not_given(
    given: dict[str, bool], passes: bool
) -> None:
    assert WebsocketServerParams(audio_in_enabled=True, **given).passes_audio_in is passes


def test_a_misspelt_parameter_is_refused_all_the_same() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'session_timeout'"):
        WebsocketServerParams(sesion_timeout=1)  # type: ignore[call-arg]
