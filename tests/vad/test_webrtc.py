"""WebRTC's detector on real speech."""

import sys

import numpy as np
import pytest
import soxr

from tests.conftest import DATA
from voicewire.audio.pcm import parse_wav
from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.testing import VirtualClock
from voicewire.vad import VADEvent, WebRTCVADAnalyzer

pytest.importorskip("webrtcvad", reason="the extra 'webrtc' is not installed")


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 48000])
@pytest.mark.parametrize("window_ms", [20, 30])
def test_real_speech_starts_and_stops(rate: int, window_ms: int) -> None:
    pcm, own_rate, _ = parse_wav((DATA / "speech" / "sense_0880.wav").read_bytes())
    samples = soxr.resample(np.frombuffer(pcm, "<i2"), own_rate, rate)
    events: list[VADEvent] = []
    analyzer = WebRTCVADAnalyzer(aggressiveness=3, window_ms=window_ms)  # type: ignore[arg-type]
    stream = analyzer.open(rate, events.append, VirtualClock())
    stream.feed(bytes(2 * rate) + bytes(samples.data))
    assert events[-1] is VADEvent.STARTED
    stream.feed(bytes(4 * rate))
    assert events[-2:] == [VADEvent.STARTED, VADEvent.STOPPED]
    stream.close()


def test_silence_is_not_speech() -> None:
    events: list[VADEvent] = []
    stream = WebRTCVADAnalyzer().open(16000, events.append, VirtualClock())
    stream.feed(bytes(64000))
    assert events == []


def test_a_rate_that_webrtc_does_not_know_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="8000 or 16000 or 32000 or 48000 Hz, not at 24000"
    ):
        WebRTCVADAnalyzer(sample_rate=24000)


@pytest.mark.parametrize(("name", "value"), [("aggressiveness", 4), ("window_ms", 25)])
def test_a_setting_outside_its_range_is_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is .*, not {value}"):
        WebRTCVADAnalyzer(**{name: value})  # type: ignore[arg-type]


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(MissingExtraError, match=r'pip install "voicewire\[webrtc\]"'):
        WebRTCVADAnalyzer()
