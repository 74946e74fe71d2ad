"""The report as one HTML file: words, plots, tables; nothing that is loaded from elsewhere."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from voicewire.cli.bench import plots
from voicewire.cli.bench.capacity import Found, Objective, Verdict
from voicewire.cli.bench.report import Totals, totals_of
from voicewire.cli.bench.run import RunResult
from voicewire.cli.bench.spread import Spread
from voicewire.cli.bench.words import capacity_summary, summary

_CSS = Path(__file__).with_name("page.css")


@dataclass(frozen=True, slots=True)
class Search:
    """A search of the capacity, for its page."""

    found: Found
    objective: Objective
    steps: Sequence[RunResult]


def run_page(result: RunResult) -> str:
    """Return the page of a single run."""
    title = f"{result.plan.sessions} callers"
    return _page(title, [_head(title, result), *_run_parts(result), _foot(result)])


def search_page(search: Search) -> str:
    """Return the page of a search: the curve, the steps, and the greatest one that held."""
    shown = _shown_step(search)
    title = f"Capacity: {search.found.capacity} callers"
    words = f'<div class="words"><p>{escape(capacity_summary(search.found, search.objective))}</p>'
    parts = [_head(title, shown), words + "</div>", '<div class="plots">']
    if any(totals_of(step).latency_ms for step in search.steps):
        curve = plots.capacity_curve(search.steps, search.objective)
        parts.append(_figure("Latency as callers are added", curve, _CURVE, wide=True))
    if any(step.server for step in search.steps):
        cost = plots.cost_curve(search.steps)
        parts.append(_figure("What the server needs", cost, "Processor time.", wide=True))
    parts += ["</div>", _steps_table(search)]
    section = [f"<section><h2>At {shown.plan.sessions} callers</h2>", *_run_parts(shown)]
    return _page(title, [*parts, *section, "</section>", _foot(shown)])


_CURVE = "Each point is a run of its own. The latency axis is logarithmic."


def _shown_step(search: Search) -> RunResult:
    held = [step for step in search.steps if step.plan.sessions == search.found.capacity]
    return held[0] if held else search.steps[0]


def _run_parts(result: RunResult) -> Iterable[str]:
    totals = totals_of(result)
    *words, trust = summary(result)
    kind = "verdict" if totals.is_trustworthy else "verdict bad"
    yield (
        f'<div class="words"><p>{escape(" ".join(words))}</p>'
        f'<p class="{kind}">{escape(trust)}</p></div>'
    )
    yield f'<div class="tiles">{"".join(_tiles(result, totals))}</div>'
    yield f'<div class="plots">{"".join(_figures(result, totals))}</div>'
    yield _spreads_table(totals)


def _tiles(result: RunResult, totals: Totals) -> Iterable[str]:
    yield _tile(f"{totals.served}", f"/{result.plan.sessions}", "callers served")
    if totals.latency_ms:
        yield _tile(f"{totals.latency_ms.p50:.3g}", "ms", "median latency")
        yield _tile(f"{totals.latency_ms.p99:.3g}", "ms", "99th percentile")
    if totals.response_ms:
        yield _tile(f"{totals.response_ms.p50:.0f}", "ms", "median response")
    if totals.barge_in_ms:
        yield _tile(f"{totals.barge_in_ms.p50:.0f}", "ms", "median barge-in")
    yield _tile(f"{totals.glitches}", "", "glitches", is_bad=totals.glitches > 0)
    if result.server:
        num_callers = totals.served or 1
        a_caller = result.server.cpu_percent / num_callers
        yield _tile(f"{result.server.cpu_percent:.3g}", "%", "of a core")
        yield _tile(f"{a_caller:.2g}", "%", "of a core for each caller")


def _figures(result: RunResult, totals: Totals) -> Iterable[str]:
    if totals.latency_ms:
        over_time = plots.latency_over_time(result)
        yield _figure("Latency over time", over_time, _OVER_TIME, wide=True)
        distribution = plots.latency_distribution(result)
        yield _figure("Latency, all frames", distribution, "The steeper, the more alike.")
    if totals.vad_delay_ms or totals.response_ms:
        delays = plots.conversation_delays(result)
        yield _figure(
            "Delays of a conversation", delays, "From the onset, or end, of speech.", wide=True
        )
    if totals.jitter_ms:
        is_alone = not totals.latency_ms
        jitter = plots.jitter_distribution(result, wide=is_alone)
        caption = "How far messages come from their ideal time."
        yield _figure("Output jitter", jitter, caption, wide=is_alone)
    if totals.latency_ms and result.plan.sessions > 1:
        spread = plots.caller_spread(result)
        yield _figure("Caller by caller", spread, "Flat is fair.", wide=True)


_OVER_TIME = "From the scheduled time of a frame to the arrival of the message that holds it."


def _spreads_table(totals: Totals) -> str:
    rows: list[tuple[str, Spread | None]] = [
        ("Frame latency, ms", totals.latency_ms),
        ("Output jitter, ms", totals.jitter_ms),
        ("VAD delay, ms", totals.vad_delay_ms),
        ("Response time, ms", totals.response_ms),
        ("Barge-in, ms", totals.barge_in_ms),
        ("Audio after the decision, ms", totals.after_decision_ms),
        ("Chunks after the decision", totals.chunks_after_decision),
        ("Callers' own lateness, ms", totals.late_ms),
    ]
    lines = [
        [name, f"{s.p50:.2f}", f"{s.p95:.2f}", f"{s.p99:.2f}", f"{s.max:.2f}"]
        for name, s in rows
        if s is not None
    ]
    return _table(["", "median", "95th", "99th", "greatest"], lines)


def _steps_table(search: Search) -> str:
    lines = []
    for step in sorted(search.steps, key=lambda step: step.plan.sessions):
        totals = totals_of(step)
        latency_ms, server = totals.latency_ms, step.server
        verdict = search.objective.judge(totals, step.plan.sessions)
        lines.append(
            [
                str(step.plan.sessions),
                f"{latency_ms.p50:.1f}" if latency_ms else "",
                f"{latency_ms.p99:.1f}" if latency_ms else "",
                str(totals.glitches),
                f"{server.cpu_percent:.1f}" if server else "",
                f"{server.cpu_percent / (totals.served or 1):.3f}" if server else "",
                _VERDICTS[verdict],
            ]
        )
    head = ["callers", "p50, ms", "p99, ms", "glitches", "CPU, %", "CPU a caller, %", ""]
    return _table(head, lines)


_VERDICTS = {
    Verdict.HELD: '<span class="good">held</span>',
    Verdict.MISSED: '<span class="bad">missed</span>',
    Verdict.UNKNOWN: '<span class="bad">callers could not keep up</span>',
}


def _head(title: str, result: RunResult) -> str:
    plan = result.plan
    whose = f"bot {result.bot}" if result.bot else "a server that was there"
    when = f"{datetime.now():%Y-%m-%d %H:%M}"
    what = f"{plan.url}, {whose}, scenario {plan.scenario}, {when}"
    return f"<header><h1>{escape(title)}</h1><p>{escape(what)}</p></header>"


def _foot(result: RunResult) -> str:
    notes = "".join(f"<p>{escape(note)}</p>" for note in result.notes)
    machine = f"voicewire {version('voicewire')}, Python {platform.python_version()}"
    machine += f", {platform.system()} on {platform.machine()}"
    buffer_ms = 1000 * result.plan.client_buffer_secs
    return (
        f"<footer>{notes}<p>A glitch is a moment at which a player that gathers {buffer_ms:g} ms "
        f"before it begins would have run dry. docs/bench.md defines every figure.</p>"
        f"<p>{escape(machine)}</p></footer>"
    )


def _tile(value: str, unit: str, name: str, *, is_bad: bool = False) -> str:
    kind = ' class="bad"' if is_bad else ""
    return f'<div class="tile"><b{kind}>{value} <small>{unit}</small></b><span>{name}</span></div>'


def _figure(title: str, svg: str, caption: str, *, wide: bool = False) -> str:
    kind = ' class="wide"' if wide else ""
    return f"<figure{kind}><h3>{title}</h3><figcaption>{caption}</figcaption>{svg}</figure>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    titles = "".join(f"<th>{title}</th>" for title in head)
    return f'<div class="table"><table><tr>{titles}</tr>{lines}</table></div>'


def _page(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - voicewire bench</title>"
        f"<style>{_CSS.read_text()}</style></head><body>\n{body}\n</body></html>\n"
    )
