import asyncio
import time

import pytest

from voicewire.cli.bench.plan import FRAME_SECS
from voicewire.cli.bench.wheel import START_ROUNDS, Place, Wheel, place_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("num_callers", [1, 3, 100, 801])
def test_callers_divide_a_frame_evenly(num_callers: int) -> None:
    phases = [place_of(number, num_callers).phase_secs for number in range(num_callers)]
    expected = [number * FRAME_SECS / num_callers for number in range(num_callers)]
    assert phases == pytest.approx(expected)


def test_callers_begin_in_all_rounds_alike() -> None:
    rounds = [place_of(number, 200).start_round for number in range(200)]
    assert sorted(rounds) == sorted([*range(START_ROUNDS)] * 4)


async def test_each_caller_sends_once_a_frame_on_an_absolute_schedule() -> None:
    start_at = time.monotonic() + 0.01
    sent: list[str] = []
    senders = [
        (Place(0.01, 2), lambda: sent.append("late")),
        (Place(0.0, 0), lambda: sent.append("early")),
    ]
    wheel = Wheel(senders, start_at=start_at, end_at=start_at + 4.9 * FRAME_SECS)
    await wheel.turn()
    assert sent == ["early"] * 3 + ["late", "early"] * 2 + ["late"]
    rounds = [0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]
    assert in_rounds(wheel, start_at) == pytest.approx(rounds, abs=1e-4)
    assert len(wheel.late_secs) == 8
    assert min(wheel.late_secs) >= 0


async def test_what_is_late_is_sent_all_the_same() -> None:
    start_at = time.monotonic() - 2.0
    sent: list[None] = []
    wheel = Wheel(
        [(Place(0.0, 0), lambda: sent.append(None))], start_at=start_at, end_at=start_at + 1.99
    )
    await wheel.turn()
    assert len(sent) == 100
    assert in_rounds(wheel, start_at) == pytest.approx(list(range(100)), abs=1e-4)
    assert max(wheel.late_secs) >= 2.0


async def test_it_can_be_ended_early() -> None:
    start_at = time.monotonic()
    sent: list[None] = []
    wheel = Wheel(
        [(Place(0.0, 0), lambda: sent.append(None))], start_at=start_at, end_at=start_at + 1000.0
    )
    turning = asyncio.create_task(wheel.turn())
    await asyncio.sleep(0)
    wheel.stop_at(start_at + 1.5 * FRAME_SECS)
    async with asyncio.timeout(30.0):
        await turning
    assert len(sent) == 2


async def test_without_callers_it_is_over_at_once() -> None:
    await Wheel([], start_at=0.0, end_at=float("inf")).turn()


def in_rounds(wheel: Wheel, start_at: float) -> list[float]:
    """Return when each frame was due, counted in rounds."""
    return [(due_at - start_at) / FRAME_SECS for due_at in wheel.due_at]
