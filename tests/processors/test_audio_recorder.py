"""A conversation on record."""

import asyncio
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.services.rig import running
from tests.transports.client import Caller, Echo, Served, eventually, serving
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.processors import AudioRecorder

pytestmark = pytest.mark.anyio

RATE = 8000

FULL_DISK = Path("/dev/full")


def pcm(secs: float, value: int) -> bytes:
    return np.full(round(secs * RATE), value, "<i2").tobytes()


def caller(secs: float, value: int = 100) -> InputAudioRawFrame:
    return InputAudioRawFrame(pcm(secs, value), RATE, 1)


def bot(secs: float, value: int = 7) -> OutputAudioRawFrame:
    return OutputAudioRawFrame(pcm(secs, value), RATE, 1)


class Told(NamedTuple):
    """One `on_audio_data`."""

    samples: list[int]
    sample_rate: int
    num_channels: int


class Kept(AudioRecorder):
    """A recorder at 8 kHz that keeps what it tells."""

    def __init__(self, **params: Any) -> None:
        super().__init__(sample_rate=RATE, **params)
        self.told: list[Told] = []
        self.tracks: list[tuple[bytes, bytes, int, int]] = []
        self.add_event_handler("on_audio_data", self._keep)
        self.add_event_handler("on_track_audio_data", self._keep_tracks)

    @property
    def samples(self) -> list[int]:
        return [sample for told in self.told for sample in told.samples]

    async def _keep(self, recorder: AudioRecorder, audio: bytes, rate: int, channels: int) -> None:
        assert recorder is self
        self.told.append(Told([int(s) for s in np.frombuffer(audio, "<i2")], rate, channels))

    async def _keep_tracks(self, recorder: AudioRecorder, *tracks: Any) -> None:
        assert recorder is self
        self.tracks.append(tracks)


async def test_both_sides_are_mixed_in_time_with_each_other() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        rig.clock.advance(1.0)
        await rig.send(caller(0.5), bot(0.5))
        rig.clock.advance(1.0)
        await recorder.stop_recording()
        await rig.settle()
        (told,) = recorder.told
        assert (told.sample_rate, told.num_channels) == (RATE, 1)
        assert told.samples == [0] * 4000 + [100] * 4000 + [7] * 4000 + [0] * 4000
        assert recorder.tracks == [
            (
                pcm(0.5, 0) + pcm(0.5, 100) + pcm(1.0, 0),
                pcm(1.0, 0) + pcm(0.5, 7) + pcm(0.5, 0),
                RATE,
                1,
            )
        ]


async def test_in_stereo_the_caller_is_left_and_the_bot_right() -> None:
    recorder = Kept(num_channels=2)
    async with running(recorder) as rig:
        await recorder.start_recording()
        await rig.send(bot(0.25))
        rig.clock.advance(0.25)
        await rig.send(caller(0.25))
        await recorder.stop_recording()
        await rig.settle()
        (told,) = recorder.told
        assert told.num_channels == 2
        assert told.samples == [100, 7] * 2000


async def test_a_loud_mixture_is_clipped() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        await rig.send(bot(0.25, 30000))
        rig.clock.advance(0.25)
        await rig.send(caller(0.25, 30000))
        await recorder.stop_recording()
        await rig.settle()
        assert set(recorder.samples) == {32767}


async def test_a_stretch_is_told_whenever_it_is_complete_also_in_silence() -> None:
    recorder = Kept(buffer_secs=2)
    async with running(recorder) as rig:
        await recorder.start_recording()
        for _ in range(5):
            rig.clock.advance(1.0)
            await rig.settle()
        assert [len(told.samples) for told in recorder.told] == [2 * RATE] * 2
        await recorder.stop_recording()
        await rig.settle()
        assert [len(told.samples) for told in recorder.told] == [2 * RATE] * 2 + [RATE]
        assert rig.clock.num_timers == 0


async def test_what_follows_a_standstill_is_in_its_place() -> None:
    recorder = Kept(buffer_secs=1)
    async with running(recorder) as rig:
        await recorder.start_recording()
        rig.clock.stall(20.0)
        await rig.send(bot(0.25))
        rig.clock.advance(1.0)
        await recorder.stop_recording()
        await rig.settle()
        assert {len(told.samples) for told in recorder.told} == {RATE}
        samples = np.array(recorder.samples)
        assert len(samples) == 21 * RATE
        assert np.flatnonzero(samples)[[0, -1]].tolist() == [20 * RATE, 20 * RATE + 1999]


@pytest.mark.parametrize(
    "cut", [InterruptionFrame(), BotStoppedSpeakingFrame(interrupted=True, played_secs=0.5)]
)
async def test_what_an_interruption_kept_from_being_heard_is_not_recorded(cut: Frame) -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        await rig.send(BotStartedSpeakingFrame(), bot(1.0))
        rig.clock.advance(0.5)
        await rig.send(cut)
        rig.clock.advance(0.5)
        await recorder.stop_recording()
        await rig.settle()
        assert recorder.samples == [7] * 4000 + [0] * 4000


async def test_a_bot_that_has_finished_was_heard_to_the_end() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        await rig.send(OutputAudioRawFrame(np.full(16000, 1000, "<i2").tobytes(), 16000, 1))
        rig.clock.advance(1.0)
        await rig.send(BotStoppedSpeakingFrame())
        await recorder.stop_recording()
        await rig.settle()
        assert recorder.samples[-20] == pytest.approx(1000, abs=50)


@pytest.mark.parametrize("end", [EndFrame, CancelFrame, ClientDisconnectedFrame])
async def test_the_rest_is_told_when_the_caller_or_the_pipeline_goes(end: type[Frame]) -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        rig.clock.advance(0.25)
        await rig.send(caller(0.25), end())
        assert not recorder.is_recording
        assert rig.clock.num_timers <= 1  # The pipeline's own.
    assert recorder.samples == [100] * 2000


async def test_the_next_caller_is_recorded_when_asked_for() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        rig.clock.advance(0.25)
        await rig.send(caller(0.25, 1), ClientDisconnectedFrame(), ClientConnectedFrame())
        await rig.send(caller(0.25, 2))
        await recorder.start_recording()
        rig.clock.advance(0.25)
        await rig.send(caller(0.25, 3))
        await recorder.stop_recording()
        await rig.settle()
        assert [set(told.samples) for told in recorder.told] == [{1}, {3}]


async def test_nothing_is_recorded_without_being_asked_for() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await rig.send(caller(1.0), bot(1.0))
        await recorder.stop_recording()
        assert rig.clock.num_timers == 0
        with pytest.raises(RuntimeError, match="not part of a running pipeline"):
            await Kept().start_recording()
    assert recorder.told == []


async def test_starting_twice_is_starting_once() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        rig.clock.advance(0.25)
        await rig.send(caller(0.25))
        await recorder.start_recording()
        await recorder.stop_recording()
        await rig.settle()
        assert len(recorder.samples) == 2000


async def test_frames_go_on_and_what_goes_upstream_is_not_recorded() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        await rig.send(caller(0.1), bot(0.1))
        assert len(rig.all_of(InputAudioRawFrame)) == len(rig.all_of(OutputAudioRawFrame)) == 1
        await rig.task.queue_frame(caller(0.1, 5), FrameDirection.UPSTREAM)
    assert 5 not in recorder.samples


async def test_handlers_that_do_not_keep_up_lose_audio_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Kept(buffer_secs=10)
    may_go_on = asyncio.Event()

    @recorder.event_handler("on_audio_data")
    async def wait(*_: object) -> None:
        await may_go_on.wait()

    async with running(recorder) as rig:
        await recorder.start_recording()
        with caplog.at_level(logging.WARNING):
            for _ in range(20):
                rig.clock.advance(10)
                await rig.settle()
        assert recorder.num_dropped > 0
        assert len(caplog.records) == 1
        may_go_on.set()
        await rig.settle()
        assert 6 <= len(recorder.told) < 10


async def test_audio_in_a_format_that_there_is_not_is_counted() -> None:
    recorder = Kept()
    async with running(recorder) as rig:
        await recorder.start_recording()
        await rig.send(InputAudioRawFrame(b"\0", RATE, 1), OutputAudioRawFrame(b"\0\0", 1, 1))
        assert recorder.num_refused == 2
        await recorder.stop_recording()
        assert recorder.num_refused == 2


async def test_the_pipelines_rate_is_the_recordings() -> None:
    recorder = AudioRecorder()
    rates: list[int] = []

    @recorder.event_handler("on_audio_data")
    async def keep(_: AudioRecorder, audio: bytes, rate: int, channels: int) -> None:
        rates.extend((rate, len(audio)))

    async with running(recorder) as rig:
        await recorder.start_recording()
        rig.clock.advance(1.0)
    assert rates == [24000, 48000]


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"num_channels": 3}, "expected 1 or 2"),
        ({"buffer_secs": 0}, r"expected 0\.1\.\.60"),
        ({"sample_rate": 100}, "100 Hz"),
    ],
)
def test_what_cannot_be_recorded_is_refused(params: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        AudioRecorder(**params)


async def test_a_call_over_a_real_socket_is_recorded_on_both_sides() -> None:
    recorder = Kept(num_channels=2)

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def start(transport: object, client: object) -> None:
            await recorder.start_recording()

    async with serving(Echo(), behind=recorder, prepare=prepare) as served:
        async with Caller(served.url) as talker:
            await talker.speak(np.full(4800, 1000, "<i2").tobytes())
            await eventually(lambda: len(talker.pcm) >= 2 * 4800)
        await eventually(lambda: recorder.told)
        user, heard = np.array(recorder.samples).reshape(-1, 2).T
        assert np.count_nonzero(user) == pytest.approx(2400, abs=50)
        assert np.count_nonzero(heard) > 500  # The rest was sent ahead, and not heard.
        assert np.flatnonzero(user)[0] <= np.flatnonzero(heard)[0]


@pytest.mark.skipif(not FULL_DISK.exists(), reason="there is no full disk")
async def test_a_full_disk_costs_the_recording_and_not_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Kept(buffer_secs=0.1)
    num_tried = 0

    @recorder.event_handler("on_audio_data")
    async def save(_: AudioRecorder, audio: bytes, rate: int, channels: int) -> None:
        nonlocal num_tried
        num_tried += 1
        FULL_DISK.write_bytes(audio)  # noqa: ASYNC240 - as applications do

    def prepare(served: Served) -> None:
        @served.transport.event_handler("on_client_connected")
        async def start(transport: object, client: object) -> None:
            await recorder.start_recording()

    async with (
        serving(Echo(), behind=recorder, prepare=prepare, audio_out_sample_rate=16000) as served,
        Caller(served.url) as talker,
    ):
        await eventually(lambda: num_tried >= 2)
        said = np.full(4800, 1000, "<i2").tobytes()
        await talker.speak(said)
        await talker.heard(len(said))
        assert talker.pcm == said
    assert "a handler of 'on_audio_data' failed" in caplog.text
    assert "No space left on device" in caplog.text
    assert recorder.told, "the other handlers are told all the same"
