"""Silero in NumPy against onnxruntime's answers, and on real speech."""

from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from tests.conftest import DATA
from tests.vad.golden import golden_inputs
from voicewire.audio.pcm import mix_channels, parse_wav
from voicewire.errors import ConfigurationError, ModelFileError
from voicewire.testing import VirtualClock
from voicewire.vad import SileroVADAnalyzer, VADAnalyzer, VADDetector, VADEvent, shared, silero
from voicewire.vad.engine import MAX_BATCH
from voicewire.vad.silero import SileroModel
from voicewire.vad.stream import OnConfidence

RATES = (16000, 8000)
GOLDEN = dict(np.load(DATA / "silero_golden.npz"))


def windows_of(pcm: NDArray[np.int16], window_samples: int) -> NDArray[np.int16]:
    """Return `pcm` as (windows, window_samples); a rest is left out."""
    return pcm[: len(pcm) // window_samples * window_samples].reshape(-1, window_samples)


def probabilities(model: SileroModel, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    state = np.zeros((1, model.state_size), np.float32)
    windows = windows_of(pcm, model.window_samples)
    return np.array([model.infer(window[None], state)[0] for window in windows])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["sense_0870", "sense_0880", "sense_0890", "noise"])
def test_it_answers_as_onnxruntime_does(name: str, rate: int) -> None:
    answers = probabilities(SileroModel(rate), golden_inputs(rate)[name])
    np.testing.assert_allclose(answers, GOLDEN[f"{name}_{rate}"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("batch", [2, 7, MAX_BATCH])
def test_a_batch_gives_what_its_windows_give_alone(rate: int, batch: int) -> None:
    model = SileroModel(rate)
    windows = windows_of(golden_inputs(rate)["sense_0870"], model.window_samples)
    callers = [windows[caller : caller + 20] for caller in range(batch)]
    together = np.zeros((batch, model.state_size), np.float32)
    alone = [np.zeros((1, model.state_size), np.float32) for _ in callers]
    for step in range(20):
        answers = model.infer(np.array([caller[step] for caller in callers]), together)
        singles = [
            model.infer(caller[step][None], state)[0]
            for caller, state in zip(callers, alone, strict=True)
        ]
        np.testing.assert_allclose(answers, singles, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=0, atol=1e-4)


@pytest.mark.parametrize("rate", RATES)
def test_any_samples_give_a_probability(rate: int) -> None:
    model = SileroModel(rate)
    state = np.zeros((1, model.state_size), np.float32)
    for value in (-32768, 32767, 0):
        window = np.full((1, model.window_samples), value, np.int16)
        for _ in range(50):
            assert 0.0 <= model.infer(window, state)[0] <= 1.0


def test_a_rate_without_weights_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="works at 8000 or 16000 Hz, not at 44100"):
        SileroVADAnalyzer(sample_rate=44100)
    with pytest.raises(ConfigurationError, match="8000 and 16000 Hz, not for 44100"):
        SileroModel(44100)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(silero.WEIGHTS_FILES, 8000, "gone.npz")
    with pytest.raises(ModelFileError, match=r"gone\.npz is missing"):
        SileroModel(8000)


@pytest.mark.anyio
async def test_a_caller_finds_the_weights_loaded_that_were_preloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[int] = []

    class CountedModel(SileroModel):
        def __init__(self, sample_rate: int) -> None:
            loaded.append(sample_rate)
            super().__init__(sample_rate)

    monkeypatch.setattr(shared, "_engines", {})
    monkeypatch.setattr(silero, "SileroModel", CountedModel)
    for _ in range(2):
        SileroVADAnalyzer().preload(8000)
    assert loaded == [8000]
    SileroVADAnalyzer().open_detector(8000, lambda confidence, volume=None: None).close()
    assert loaded == [8000]
    SileroVADAnalyzer().preload(16000)
    assert loaded == [8000, 16000]
    for loaded_engine in shared._engines.values():
        loaded_engine.stop()


def test_preloading_checks_the_rate() -> None:
    with pytest.raises(ConfigurationError, match="works at 8000 or 16000 Hz, not at 44100"):
        SileroVADAnalyzer().preload(44100)
    with pytest.raises(ConfigurationError, match="works at 8000 Hz, not at 16000"):
        SileroVADAnalyzer(sample_rate=8000).preload(16000)


class CountingAnalyzer(VADAnalyzer):
    """Another analyzer's detector, with the answers counted."""

    def __init__(self, inner: VADAnalyzer) -> None:
        super().__init__(params=inner.params)
        self.num_answers = 0
        self.answered = anyio.Event()
        self._inner = inner

    def open_detector(self, sample_rate: int, on_confidence: OnConfidence) -> VADDetector:
        def count(confidence: float, volume: float | None = None) -> None:
            self.num_answers += 1
            on_confidence(confidence, volume)
            self.answered.set()

        return self._inner.open_detector(sample_rate, count)

    async def wait_for(self, num_answers: int) -> None:
        with anyio.fail_after(20):
            while self.num_answers < num_answers:
                self.answered = anyio.Event()
                await self.answered.wait()


def speech(file: Path, rate: int) -> bytes:
    """Return a recording as mono, with one second of silence before it and two behind."""
    pcm, own_rate, num_channels = parse_wav(file.read_bytes())
    samples: Any = np.frombuffer(mix_channels(pcm, num_channels, 1), "<i2")
    if own_rate != rate:
        samples = soxr.resample(samples, own_rate, rate)
    return bytes(2 * rate) + bytes(samples.data) + bytes(4 * rate)


async def events_of(
    analyzer: VADAnalyzer, pcm: bytes, rate: int, message_samples: int
) -> list[tuple[VADEvent, float]]:
    """Return what is reported of `pcm`, with the seconds of audio judged until then."""
    counting = CountingAnalyzer(analyzer)
    events: list[tuple[VADEvent, float]] = []
    window_secs = 0.032

    def keep(event: VADEvent) -> None:
        if event is not VADEvent.STARTING:
            events.append((event, counting.num_answers * window_secs))

    stream = counting.open(rate, keep, VirtualClock())
    for start in range(0, len(pcm), 2 * message_samples):
        stream.feed(pcm[start : start + 2 * message_samples])
    await counting.wait_for(int(len(pcm) / 2 / rate / window_secs))
    stream.close()
    return events


@pytest.mark.anyio
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("name", "speech_begins", "speech_ends"),
    # By ear and eye: seconds into the recording.
    [
        ("sense_0870", 0.1, 6.9),
        ("sense_0880", 0.15, 2.85),
        ("sense_0890", 0.26, 5.15),
        ("LJ050-0131", 0.0, 7.6),
    ],
)
async def test_real_speech_starts_and_stops_at_the_right_times(
    name: str, speech_begins: float, speech_ends: float, rate: int
) -> None:
    pcm = speech(DATA / "speech" / f"{name}.wav", rate)
    events = await events_of(SileroVADAnalyzer(), pcm, rate, message_samples=rate // 50)
    assert [event for event, _ in events] == [VADEvent.STARTED, VADEvent.STOPPED]
    (_, started), (_, stopped) = events
    assert started == pytest.approx(1.0 + speech_begins + 0.2, abs=0.25)
    assert stopped == pytest.approx(1.0 + speech_ends + 0.8, abs=0.25)


@pytest.mark.anyio
async def test_a_recording_in_one_message_gives_the_same_events() -> None:
    pcm = speech(DATA / "speech" / "jfk.wav", 16000)
    in_frames = await events_of(SileroVADAnalyzer(), pcm, 16000, message_samples=320)
    at_once = await events_of(SileroVADAnalyzer(), pcm, 16000, message_samples=len(pcm))
    assert at_once == in_frames
    assert [event for event, _ in at_once] == [VADEvent.STARTED, VADEvent.STOPPED] * 3


@pytest.mark.anyio
async def test_noise_is_not_speech() -> None:
    pcm = bytes(golden_inputs(16000)["noise"].data) * 3
    assert await events_of(SileroVADAnalyzer(), pcm, 16000, message_samples=320) == []


@pytest.mark.anyio
async def test_callers_who_talk_at_the_same_time_do_not_disturb_each_other() -> None:
    names = ["sense_0870", "sense_0880", "sense_0890"] * 4
    heard: dict[int, list[tuple[VADEvent, float]]] = {}

    async def listen(caller: int) -> None:
        pcm = speech(DATA / "speech" / f"{names[caller]}.wav", 16000)
        heard[caller] = await events_of(SileroVADAnalyzer(), pcm, 16000, message_samples=320)

    async with anyio.create_task_group() as group:
        for caller in range(len(names)):
            group.start_soon(listen, caller)
    for caller, name in enumerate(names):
        assert heard[caller] == heard[names.index(name)]
        assert len(heard[caller]) == 2
