"""How much of a client is read. In virtual time, and over a real socket."""

import asyncio
import time

import pytest

from tests.transports.client import Caller, Recorder, audio_message, eventually, serving
from tests.transports.fakes import tone
from voicewire.frames import InputAudioRawFrame
from voicewire.transports.intake import MAX_REST_SECS, Intake

pytestmark = pytest.mark.anyio


def test_a_microphone_is_never_told_to_wait() -> None:
    intake = Intake(1.0, now=100.0)
    assert all(intake.take(0.02, now=100.0 + 0.02 * n) == 0.0 for n in range(1000))


def test_what_a_network_has_held_up_may_come_at_once() -> None:
    intake = Intake(1.0, now=100.0)
    intake.take(0.02, now=100.0)
    assert all(intake.take(0.02, now=160.0) == 0.0 for _ in range(49))
    assert intake.take(0.04, now=160.0) > 0.0


def test_a_client_that_is_too_far_ahead_has_to_wait_until_it_is_not() -> None:
    intake = Intake(1.0, now=100.0)
    assert intake.take(0.9, now=100.0) == 0.0
    assert intake.take(0.9, now=100.0) == pytest.approx(0.8)
    assert intake.take(0.9, now=100.9) == pytest.approx(0.8)


def test_one_long_message_makes_nobody_wait_for_long() -> None:
    intake = Intake(1.0, now=100.0)
    assert intake.take(60.0, now=100.0) == MAX_REST_SECS
    assert intake.take(0.1, now=100.0 + MAX_REST_SECS) == pytest.approx(0.1)


def test_at_twice_real_time_half_of_it_is_taken() -> None:
    intake = Intake(5.0, now=0.0)
    now, taken_secs = 0.0, 0.0
    while now < 100.0:
        rest_secs = intake.take(0.02, now=now)
        taken_secs += 0.02
        now += max(0.01, rest_secs)
    assert taken_secs == pytest.approx(105.0, abs=0.1)


async def test_a_flood_is_read_at_the_speed_of_speech() -> None:
    heard = Recorder()
    async with serving(heard, audio_in_max_ahead_secs=1.0) as served, Caller(served.url) as caller:
        began_at = time.monotonic()
        flood = asyncio.create_task(flood_with(caller, tone(0.1), times=5_000))
        await asyncio.sleep(1.5)
        lasted_secs = time.monotonic() - began_at
        heard_secs = sum(frame.duration_secs for frame in heard.of(InputAudioRawFrame))
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        # One read may bring as much as the kernel holds, and a turn 128 messages of it.
        assert heard_secs < lasted_secs + 1.0 + 128 * 0.1
        assert served.transport.stats.rests > 0
        await served.client.close()


async def flood_with(caller: Caller, pcm: bytes, *, times: int) -> None:
    for _ in range(times):
        await caller.send(audio_message(pcm))


async def test_a_recording_sent_too_fast_is_heard_to_its_end() -> None:
    heard = Recorder()
    async with serving(heard, audio_in_max_ahead_secs=0.5) as served, Caller(served.url) as caller:
        for _ in range(15):
            await caller.send(audio_message(tone(0.1)))
        await eventually(lambda: len(heard.of(InputAudioRawFrame)) == 15)


async def test_a_client_that_has_to_wait_is_not_taken_for_dead() -> None:
    heard = Recorder()
    async with (
        serving(
            heard, audio_in_max_ahead_secs=0.1, ping_interval_secs=0.2, ping_timeout_secs=0.6
        ) as served,
        Caller(served.url) as caller,
    ):
        await caller.send(audio_message(tone(2.0)))
        await caller.send(audio_message(tone(0.1)))
        await eventually(lambda: len(heard.of(InputAudioRawFrame)) == 2)
        assert served.client.is_open


async def test_messages_without_audio_count_too() -> None:
    async with serving(audio_in_max_ahead_secs=0.1) as served, Caller(served.url) as caller:
        for _ in range(200):
            await caller.send(b"nonsense")
        await eventually(lambda: served.transport.stats.rests)
        await eventually(lambda: served.transport.stats.messages_in == 200)
