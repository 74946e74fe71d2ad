"""Raw results to the page that people read."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.conversation.page import section
from benchmarks.faults.page import section as faults_section
from benchmarks.side_by_side.figures import Figure, Record, figure, ratio, select
from benchmarks.side_by_side.goals import GOALS, stall_latencies
from benchmarks.side_by_side.ladder import RATIO
from benchmarks.side_by_side.remarks import REMARKS

SIDE_TITLES = {
    "picows": "bare echo on picows",
    "listener": "bare echo on our listener",
    "inline": "voicewire, inline processor",
    "mailbox": "voicewire, async processor",
    "vad": "voicewire, async processor, Silero",
    "answer": "voicewire, answering bot, Silero",
    "pipecat": "Pipecat on FastAPI",
    "pipecat-vad": "Pipecat on FastAPI, Silero",
    "pipecat-single": "Pipecat's own WebSocket server",
}

NO_VALUE = "-"

Column = tuple[str, str, int]
"""A column's title, the path of its values in a record, and its decimals."""


def whole_page(folder: Path) -> str:
    """Return the page of all that has been measured and lies in a folder."""
    page = report(json.loads((folder / "results.json").read_text()))
    conversation, calls = folder / "conversation.json", folder / "twilio.json"
    faults = folder / "faults.json"
    if conversation.exists():
        page += "\n" + section(json.loads(conversation.read_text()))
    if calls.exists():
        page += "\n" + _calls(json.loads(calls.read_text()))
    if faults.exists():
        page += "\n" + faults_section(json.loads(faults.read_text()))
    return page


def _calls(results: dict[str, Any]) -> str:
    """Return the section on telephone calls."""
    held = results["callers"]
    rows = "\n".join(
        f"| {side} | {', '.join(map(str, each))} | {statistics.median(each):g} |"
        for side, each in held.items()
    )
    ours, theirs = (statistics.median(held[side]) for side in ("voicewire", "pipecat"))
    return (
        "## Calls by Twilio's wire\n\n"
        f"Written by `{results['command']}` on {results['date']}: how many calls a core holds that "
        f"echo at 8 kHz, until 1 of 100 echoes takes longer than {results['max_p99_ms']:g} ms or "
        "one is lost; Pipecat on FastAPI with its Twilio serializer. The goal is eight times as "
        f"many; it is {ours / theirs:.1f} times.\n\n"
        f"| | Callers, round by round | Median |\n|---|---|---:|\n{rows}\n"
    )


def report(results: dict[str, Any]) -> str:
    """Return the page, in Markdown."""
    records: list[Record] = results["records"]
    parts = [_head(results), _goals(records), "## Medians\n\n" + _medians_note(records)]
    parts += [
        _table("One core: how many callers", records, "capacity",
               ("mailbox", "pipecat", "vad", "pipecat-vad"),
               (("callers", "capacity", 0), ("p99 ms", "at_capacity.latency_ms.p99", 1),
                ("CPU % a caller", "at_capacity.server.cpu_percent_per_caller", 3),
                ("MB a caller", "at_capacity.server.rss_per_caller_mb", 3)),
               ratios=(("mailbox", "pipecat"), ("vad", "pipecat-vad"))),
        _table(f"What a frame costs, {_callers(records, 'cost')} callers", records, "cost",
               ("picows", "listener", "inline", "mailbox"),
               (("µs a frame", "server.cpu_us_per_frame", 1), ("p50 ms", "latency_ms.p50", 1),
                ("p99 ms", "latency_ms.p99", 1), ("MB a caller", "server.rss_per_caller_mb", 3)),
               ratios=(("inline", "picows"), ("inline", "listener"), ("mailbox", "picows"),
                       ("mailbox", "listener"))),
        _table("One caller alone", records, "alone", ("mailbox", "pipecat-single"),
               (("µs a frame", "server.cpu_us_per_frame", 0), ("p50 ms", "latency_ms.p50", 1),
                ("p99 ms", "latency_ms.p99", 1)),
               ratios=(("pipecat-single", "mailbox"),)),
        _table("Voice activity detection, 64 callers", records, "vad_cost",
               ("voicewire", "pipecat"), (("µs a window of 32 ms", "cpu_us_per_window", 1),),
               ratios=(("pipecat", "voicewire"),)),
        _table("Imports", records, "imports", ("nothing", "voicewire", "pipecat"),
               (("CPU s", "cpu_secs", 2), ("MB", "rss_mb", 1)),
               ratios=(("pipecat", "voicewire"),)),
        _table("An idle server with Silero", records, "idle_server", ("vad", "pipecat-vad"),
               (("CPU s", "cpu_secs", 2), ("MB", "rss_mb", 1)),
               ratios=(("pipecat-vad", "vad"),)),
        _table("At 70 % of capacity", records, "loaded", ("mailbox", "vad"),
               (("callers", "sessions", 0), ("p50 ms", "latency_ms.p50", 1),
                ("p99 ms", "latency_ms.p99", 1), ("jitter p99 ms", "jitter_ms.p99", 1),
                ("CPU %", "server.cpu_percent", 0),
                ("MB a caller", "server.rss_per_caller_mb", 3))),
        _table("Conversations at 70 % of capacity", records, "conversation", ("answer",),
               (("callers", "sessions", 0), ("VAD delay p50 ms", "vad_delay_ms.p50", 0),
                ("barge-in p50 ms", "barge_in_ms.p50", 0),
                ("after decision p50 ms", "after_decision_ms.p50", 1),
                ("p99 ms", "after_decision_ms.p99", 1),
                ("chunks p99", "chunks_after_decision.p99", 0))),
        _stalls(records),
        _faults(records),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: dict[str, Any]) -> str:
    machine = results["machine"]
    versions = "; ".join(
        f"{environment}: " + ", ".join(f"{name} {number}" for name, number in packages.items())
        for environment, packages in machine["versions"].items()
    )
    ended = "" if results["is_complete"] else " **It was ended before it was complete.**"
    return (
        "# voicewire beside its peers\n\n"
        f"Written by `{results['command']}` on {results['date']}, in "
        f"{results['took_secs'] / 60:.0f} minutes; the raw figures are in "
        f"`benchmarks/results.json`.{ended}\n\n"
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, "
        f"Python {machine['python']}, commit {machine['commit'] or 'unknown'}\n"
        f"- {versions}\n"
        "- The server has core 0 with all its threads, the callers have core 1. Each caller sends "
        "20 ms of 16 kHz mono speech every 20 ms; pipelines answer in messages of 40 ms, bare "
        "echoes message by message, so CPU is counted per frame that comes in."
    )


def _goals(records: Sequence[Record]) -> str:
    lines = ["## Goals", "", "| | Goal | Reached | | Why |", "|---|---|---|---|---|"]
    for goal in GOALS:
        reached = goal.judge(records)
        mark = {True: "yes", False: "**no**", None: NO_VALUE}[reached.is_met]
        why = REMARKS.get(goal.what, "") if reached.is_met is False else ""
        lines.append(f"| {goal.what} | {goal.goal} | {reached.words} | {mark} | {why} |")
    return "\n".join(lines)


def _medians_note(records: Sequence[Record]) -> str:
    num_rounds = max((record["round"] for record in records), default=0)
    return (
        f"Medians of up to {num_rounds} rounds, in parentheses the least and the most. All sides "
        "take turns within a round, in another order each time; ratios are ratios of medians. A "
        f"capacity is a rung of a ladder, each {100 * (RATIO - 1):.0f} % above the one below "
        "(whole numbers), and the highest rung that held; what misses is tried twice."
    )


def _table(
    title: str,
    records: Sequence[Record],
    what: str,
    sides: Sequence[str],
    columns: Sequence[Column],
    *,
    ratios: Sequence[tuple[str, str]] = (),
) -> str:
    """Return a table of one measurement; ratios are those of its first column."""
    if not select(records, what):
        return ""
    lines = [
        f"### {title}", "",
        "| | " + " | ".join(name for name, _, _ in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]  # fmt: skip
    for side in sides:
        cells = [_cell(figure(records, what, side, path), n) for _, path, n in columns]
        mark = "" if _is_trusted(records, what, side) else " ¹"
        lines.append(f"| {SIDE_TITLES.get(side, side)}{mark} | " + " | ".join(cells) + " |")
    if not all(_is_trusted(records, what, side) for side in sides):
        lines += ["", "¹ In some of these rounds the callers could not keep time."]
    path = columns[0][1]
    found = [
        (
            above,
            below,
            ratio(figure(records, what, above, path), figure(records, what, below, path)),
        )
        for above, below in ratios
    ]
    lines.append("")
    lines += [
        f"- {SIDE_TITLES.get(above, above)} to {SIDE_TITLES.get(below, below)}: {times:.2f}x"
        for above, below, times in found
        if times is not None
    ]
    return "\n".join(lines).rstrip()


def _stalls(records: Sequence[Record]) -> str:
    runs = select(records, "stall")
    if not runs:
        return ""
    lines = ["### A stall of the event loop of 500 ms, once, under a small load", ""]
    for run in runs:
        if "timeline" in run and len(run["timeline"]) > 1:
            p50, p99 = (stall_latencies(run, key) for key in ("p50", "p99"))
            lines.append(
                f"- Live echo, {SIDE_TITLES[run['side']]}: latency p50 {p50[0]:.1f} ms before, "
                f"{p50[1]:.1f} ms seven seconds after; p99 {p99[0]:.1f} and {p99[1]:.1f} ms"
            )
        elif "before_ms" in run and run["before_ms"] is not None:
            name = "Pipecat on FastAPI" if "pipecat" in run["side"] else "voicewire"
            lines.append(
                f"- Queued speech, {name}: listeners {run['before_ms']:.0f} ms ahead before, "
                f"{run['after_ms']:.0f} ms after"
            )
    return "\n".join(lines)


def _faults(records: Sequence[Record]) -> str:
    lines = [
        f"- {record['what']}, {record['side']}, round {record['round']}: {record['error']}"
        for record in records
        if "error" in record
    ]
    return "\n".join(["## What did not work", "", *lines]) if lines else ""


def _callers(records: Sequence[Record], what: str) -> str:
    return str(next((record["sessions"] for record in select(records, what)), NO_VALUE))


def _is_trusted(records: Sequence[Record], what: str, side: str) -> bool:
    return all(
        record.get("generator", {}).get("is_trustworthy", True)
        for record in select(records, what, side)
    )


def _cell(found: Figure | None, decimals: int) -> str:
    return NO_VALUE if found is None else found.show(decimals)
