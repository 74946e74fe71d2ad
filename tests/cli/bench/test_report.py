import json
from dataclasses import replace
from typing import Any

from tests.cli.bench.results import conversation_result, refused_result, result
from voicewire.cli.bench.report import run_json, totals_of
from voicewire.cli.bench.text import run_lines
from voicewire.cli.bench.words import summary


def same(value: float) -> dict[str, float]:
    return {"p50": value, "p95": value, "p99": value, "max": value}


def test_the_json_is_what_others_rely_on() -> None:
    report: dict[str, Any] = json.loads(json.dumps(run_json(result(glitches=2))))
    callers = report.pop("callers")
    assert report == {
        "target": "ws://localhost:1",
        "bot": "echo",
        "sessions": 2,
        "secs": 2.0,
        "dialect": "protobuf",
        "scenario": "echo",
        "client_buffer_ms": 60,
        "interrupted": False,
        "frames_sent": 200,
        "messages_received": 100,
        "refused": 0,
        "refusals": {},
        "failed": 0,
        "failures": {},
        "matched_by_counting": 0,
        "latency_ms": same(20.0),
        "jitter_ms": same(1.0),
        "glitches": 2,
        "glitching_callers": 1,
        "lost_frames": 6,
        "turns": 0,
        "unanswered_turns": 0,
        "vad_delay_ms": None,
        "response_ms": None,
        "barge_in_ms": None,
        "after_decision_ms": None,
        "chunks_after_decision": None,
        "server": {
            "cpu_secs": 1.0,
            "cpu_percent": 50.0,
            "cpu_percent_per_caller": 25.0,
            "cpu_us_per_frame": 5000.0,
            "rss_idle_mb": 50.0,
            "rss_mb": 51.0,
            "rss_per_caller_mb": 0.5,
        },
        "generator": {"late_ms": same(1.0), "cpu_percent": 12.0, "is_trustworthy": True},
        "notes": [],
    }
    assert [caller["glitches"] for caller in callers] == [0, 2]
    assert callers[0]["latency_ms"] == same(20.0)
    assert callers[0]["matched_by"] == "stamps"


def test_a_run_that_served_nobody_is_a_report_too() -> None:
    report = run_json(refused_result())
    assert (report["refused"], report["refusals"]) == (2, {"503": 2})
    assert (report["failed"], report["failures"]) == (1, {"connection lost": 1})
    assert (report["latency_ms"], report["server"]) == (None, None)
    assert report["generator"]["is_trustworthy"] is False
    lines = "\n".join(run_lines(refused_result()))
    assert "2 callers: HTTP 503" in lines
    assert "1 callers: connection lost" in lines
    assert "2 were refused. 1 failed: connection lost." in " ".join(summary(refused_result()))


def test_a_conversation_tells_its_delays() -> None:
    report = run_json(conversation_result())
    assert (report["turns"], report["unanswered_turns"]) == (2, 1)
    assert report["response_ms"] == same(800.0)
    assert report["vad_delay_ms"]["max"] == 270.0
    assert report["chunks_after_decision"] == same(1.0)
    assert report["callers"][0]["turns"][1]["response_ms"] is None
    text = "\n".join(run_lines(conversation_result()))
    assert "barge-in" in text
    assert "frame latency" not in text
    assert "350 ms later" in " ".join(summary(conversation_result()))


def test_a_generator_that_was_late_is_not_trusted() -> None:
    late = result(late_secs=0.05)
    assert not totals_of(late).is_trustworthy
    assert "DID NOT KEEP UP" in "\n".join(run_lines(late))
    assert "Do not trust" in summary(late)[-1]


def test_a_generator_without_a_free_core_is_not_trusted() -> None:
    busy = result()
    busy.generator_cpu_percent = 95.0
    assert not totals_of(busy).is_trustworthy


def test_the_text_has_what_matters() -> None:
    text = "\n".join(run_lines(result(latency_secs=0.0125)))
    assert "2 of 2 callers, 2.0 s" in text
    assert "frame latency          12.5      12.5      12.5      12.5  ms" in text
    assert "50.0 % of a core: 5000.0 us a frame" in text
    assert "it kept up" in text


def test_counting_is_said_in_a_note() -> None:
    run = result()
    run.callers[0].heard.matched_by = "counting"
    run.notes.append("there is only one core")
    text = "\n".join(run_lines(run))
    assert "comes from counting bytes" in text
    assert "note: there is only one core" in text


def test_a_target_without_a_pid_says_how_to_name_it() -> None:
    run = replace(result(), bot=None, server=None)
    assert "--server-pid" in "\n".join(run_lines(run))
