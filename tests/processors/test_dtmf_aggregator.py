"""Keys that become a transcription."""

from datetime import datetime

import pytest

from tests.services.rig import Rig, running
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    StopFrame,
    TranscriptionFrame,
)
from voicewire.pipeline import PipelineParams
from voicewire.processors import DTMFAggregator

pytestmark = pytest.mark.anyio


async def press(rig: Rig, keys: str) -> None:
    await rig.send(*(InputDTMFFrame(KeypadEntry(key)) for key in keys))


def texts(rig: Rig) -> list[str]:
    return [frame.text for frame in rig.all_of(TranscriptionFrame)]


async def test_keys_become_one_transcription_at_the_terminator() -> None:
    async with running(DTMFAggregator(user_id="jo")) as rig:
        await press(rig, "4*2")
        assert texts(rig) == []
        await press(rig, "#")
        (frame,) = rig.all_of(TranscriptionFrame)
        assert (frame.text, frame.user_id) == ("DTMF: 4*2", "jo")
        assert datetime.fromisoformat(frame.timestamp).tzinfo is not None
        assert len(rig.all_of(InputDTMFFrame)) == 4
        assert rig.clock.num_timers == 0


async def test_the_terminator_alone_is_a_key() -> None:
    async with running(DTMFAggregator(prefix="")) as rig:
        await press(rig, "#1#")
        assert texts(rig) == ["#", "1"]


async def test_another_key_or_none_can_be_the_terminator() -> None:
    async with running(DTMFAggregator(prefix="", terminator=KeypadEntry.STAR)) as rig:
        await press(rig, "1#*")
        assert texts(rig) == ["1#"]
    async with running(DTMFAggregator(prefix="", terminator=None)) as rig:
        await press(rig, "1#*")
        rig.clock.advance(2)
        assert texts(rig) == ["1#*"]


async def test_keys_are_complete_some_time_after_the_last_one() -> None:
    async with running(DTMFAggregator(timeout_secs=2)) as rig:
        await press(rig, "1")
        rig.clock.advance(1.9)
        await press(rig, "2")
        rig.clock.advance(1.9)
        assert texts(rig) == []
        rig.clock.advance(0.2)
        assert texts(rig) == ["DTMF: 12"]
        rig.clock.advance(60)
        assert len(texts(rig)) == 1


async def test_the_first_key_interrupts_the_bot() -> None:
    async with running(DTMFAggregator()) as rig:
        await press(rig, "12#")
        assert len(rig.all_of(InterruptionFrame)) == 1
        await press(rig, "3")
        assert len(rig.all_of(InterruptionFrame)) == 2


async def test_no_key_interrupts_where_nothing_may() -> None:
    params = PipelineParams(allow_interruptions=False)
    async with running(DTMFAggregator(), params=params) as rig:
        await press(rig, "1#")
        assert rig.all_of(InterruptionFrame) == []
        assert texts(rig) == ["DTMF: 1"]


@pytest.mark.parametrize("end", [EndFrame, StopFrame, CancelFrame])
async def test_keys_come_before_the_end(end: type[Frame]) -> None:
    async with running(DTMFAggregator()) as rig:
        await press(rig, "12")
        await rig.send(end())
        kinds = [type(f) for f in rig.all_of(Frame) if isinstance(f, TranscriptionFrame | end)]
    assert kinds == [TranscriptionFrame, end]


async def test_a_flood_of_keys_is_cut_into_transcriptions() -> None:
    async with running(DTMFAggregator(prefix="")) as rig:
        await press(rig, "1" * 130)
        assert [len(text) for text in texts(rig)] == [64, 64]


@pytest.mark.parametrize("change", [ClientConnectedFrame, ClientDisconnectedFrame])
async def test_keys_of_a_caller_who_left_are_forgotten(change: type[Frame]) -> None:
    async with running(DTMFAggregator()) as rig:
        await press(rig, "1")
        await rig.send(change())
        assert rig.clock.num_timers == 0
        await press(rig, "2#")
        assert texts(rig) == ["DTMF: 2"]


def test_a_timeout_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than 0"):
        DTMFAggregator(timeout_secs=0)
