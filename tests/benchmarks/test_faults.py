import asyncio
import time
from typing import Any

import pytest

from benchmarks.bots.numbered import BLOCK_SAMPLES, MAX_BLOCKS, Heard, blocks
from benchmarks.faults.__main__ import record, steps
from benchmarks.faults.callers import Arrival, longest_silence_secs
from benchmarks.faults.catalogue import FAULTS, QUICK
from benchmarks.faults.children import Report
from benchmarks.faults.heartbeat import Heartbeat
from benchmarks.faults.page import ROWS, section, summary, unmet
from benchmarks.faults.raw import client_frame, read_frame
from benchmarks.faults.servers import SIDES


def noted(fault: str, side: str = "voicewire", round_number: int = 1, **values: Any) -> Any:
    return {"fault": fault, "side": side, "round": round_number} | values


def page(*records: Any) -> str:
    command = "python -m benchmarks.faults"
    machine = {"commit": ""}
    return section(
        {"command": command, "date": "2026-01-01", "machine": machine, "records": list(records)}
    )


def test_numbered_audio_tells_what_is_missing_and_what_came_twice() -> None:
    heard = Heard()
    heard.add(blocks(5, 2))
    heard.add(blocks(7, 1)[: BLOCK_SAMPLES * 2 - 2])
    heard.add(blocks(6, 1))
    assert heard.missing(range(5, 8)) == 1
    assert heard.repeated(range(5, 8)) == 1
    assert heard.any_of(range(7, 9))
    assert not heard.any_of(range(8, 9))
    assert heard.any_outside(range(5, 7))
    assert not heard.any_outside(range(5, 8))


def test_numbers_of_blocks_begin_anew_behind_the_last() -> None:
    heard = Heard()
    heard.add(blocks(MAX_BLOCKS - 1, 2))
    assert heard.missing(range(1)) == heard.missing(range(MAX_BLOCKS - 1, MAX_BLOCKS)) == 0


def test_a_silence_is_what_a_player_cannot_bridge_by_what_it_has() -> None:
    arrivals = [Arrival(0.0, 1.0), Arrival(0.1, 1.0), Arrival(3.5, 0.5), Arrival(4.0, 0.5)]
    assert longest_silence_secs(arrivals) == pytest.approx(1.5)
    assert longest_silence_secs(arrivals[:2]) == 0.0


def test_gaps_are_told_for_before_and_after_a_moment() -> None:
    report = Report(2, 8, [(1.0, 40.0), (2.0, 42.0), (2.5, 70.0), (3.0, 80.0), (9.0, 999.0)])
    server = Heartbeat([(2.4, 2.45)])
    told = report.around(3.0, before_secs=2.0, during_secs=2.0, server=server)
    assert told["gap_before_p99_ms"] == pytest.approx(41.98)
    assert told["gap_p99_ms"] == 80.0
    assert told["gaps_counted_percent"] == 50.0


def test_what_falls_into_a_standstill_of_the_callers_own_is_known() -> None:
    async def stand_still() -> tuple[Heartbeat, float]:
        async with Heartbeat() as heartbeat:
            await asyncio.sleep(0.02)
            began_at = time.monotonic()
            time.sleep(0.1)  # noqa: ASYNC251 - that is what it is to notice
            await asyncio.sleep(0.02)
        return heartbeat, began_at

    heartbeat, began_at = asyncio.run(stand_still())
    assert heartbeat.stood_still(began_at + 0.02, began_at + 0.06)
    assert not heartbeat.stood_still(began_at - 9.0, began_at - 1.0)
    assert not Heartbeat([(1.0, 2.0)]).stood_still(2.0, 3.0)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_all_lengths_are_written_by_the_book(size: int) -> None:
    async def read() -> tuple[int, bytes]:
        reader = asyncio.StreamReader()
        frame = bytearray(client_frame(2, bytes(size)))
        frame[1] &= 0x7F  # As a server would write it: without the mask.
        at = {126: 4, 127: 10}.get(frame[1], 2)
        del frame[at : at + 4]
        reader.feed_data(bytes(frame))
        return await read_frame(reader)

    assert asyncio.run(read()) == (2, bytes(size))


def test_slow_faults_happen_once_and_crowds_to_nobody_made_for_one() -> None:
    todo = steps(list(FAULTS), list(SIDES), 3)
    assert todo.count((1, "half_open", "voicewire")) == 1
    assert (2, "half_open", "voicewire") not in todo
    assert (3, "flood", "pipecat-single") in todo
    assert not any(name == "burst" and side == "pipecat-single" for _, name, side in todo)
    assert set(QUICK) <= set(FAULTS)


def test_only_who_has_places_is_told_how_many() -> None:
    burst = FAULTS["burst"]
    assert burst.options_for(SIDES["voicewire"]) == ("--places", "40")
    assert burst.options_for(SIDES["pipecat"]) == ()


def test_rounds_become_medians_and_what_differs_is_told() -> None:
    records = [
        noted("flood", memory_growth_mb=mb, is_closed=mb > 5, tracebacks=0)
        for mb in (1.0, 9.0, 2.0)
    ]
    values = summary([*records, noted("flood", error="no start")], "flood", "voicewire")
    assert values["memory_growth_mb"] == 2.0
    assert values["is_closed"] == "no (2x) / yes (1x)"
    assert values["tracebacks"] == 0


def test_the_page_tells_of_every_fault_and_marks_what_misses_its_goal() -> None:
    assert {row.fault for row in ROWS} == set(FAULTS)
    kill = noted("kill", is_let_in=True, back_after_secs=1.25)
    slow = noted("terminate", exit_after_secs=12.0, exit_code=0, close_code=1001, missing_secs=0.0)
    told = page(kill, slow, noted("stall", "pipecat", error="OSError: gone"))
    assert "| 1.2 s |" in told
    assert "| **12 s** |" in told
    assert "one caller by design" in told
    assert "- stall, Pipecat on FastAPI: OSError: gone" in told
    assert unmet([kill, slow], "voicewire") == [
        "SIGTERM, 3 s before the end of an utterance: exits after"
    ]


def test_the_page_tells_what_else_the_machine_did() -> None:
    values: dict[str, Any] = {"is_let_in": True, "back_after_secs": 1.0}
    rounds = [
        noted("kill", round_number=n, load=load, **values) for n, load in ((1, 7.2), (2, 0.5))
    ]
    assert "load average was 0.5 to 7.2" in page(*rounds)
    assert "load average" not in page(noted("kill", **values))


def test_a_connection_that_is_reset_leaves_nothing_to_the_next_caller() -> None:
    """One fault with all that it takes: server, callers, record."""
    values = record("reset_and_reconnect", "voicewire", 1)
    assert "error" not in values
    assert values["is_let_in"] is True
    assert values["hears_the_former"] is False
