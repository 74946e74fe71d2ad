"""A run's figures for a person at a terminal. Pure."""

from voicewire.cli.bench.report import Totals, cpu_us_per_frame, totals_of
from voicewire.cli.bench.run import RunResult
from voicewire.cli.bench.spread import Spread

_COLUMNS = "                        p50       p95       p99       max"


def run_lines(result: RunResult) -> list[str]:
    """Return the report, line by line."""
    totals = totals_of(result)
    plan = result.plan
    whose = f" (bot {result.bot})" if result.bot else ""
    lines = [
        (
            f"{totals.served} of {plan.sessions} callers, {result.window.secs:.1f} s, "
            f"scenario {plan.scenario}, {plan.url}{whose}"
        ),
        "",
        _COLUMNS,
    ]
    rows: list[tuple[str, Spread | None, str]] = [
        ("frame latency", totals.latency_ms, "ms"),
        ("output jitter", totals.jitter_ms, "ms"),
        ("VAD delay", totals.vad_delay_ms, "ms"),
        ("response time", totals.response_ms, "ms"),
        ("barge-in", totals.barge_in_ms, "ms"),
        ("  after decision", totals.after_decision_ms, "ms"),
        ("  chunks after it", totals.chunks_after_decision, ""),
    ]
    lines += [_row(name, spread, unit) for name, spread, unit in rows if spread is not None]
    lines += [
        "",
        (
            f"glitches          {totals.glitches} at {totals.glitching_callers} callers "
            f"(player's buffer {1000 * plan.client_buffer_secs:.0f} ms)"
        ),
        (
            f"frames            {totals.frames_sent} sent, {totals.lost_frames} lost; "
            f"{totals.messages_received} messages came"
        ),
    ]
    if totals.turns:
        lines.append(f"turns             {totals.turns}, {totals.unanswered_turns} unanswered")
    lines += _trouble(totals)
    lines += _server(result, totals)
    lines += _generator(result, totals)
    lines += [f"note: {note}" for note in result.notes]
    if totals.matched_by_counting:
        lines.append(
            f"note: the server changes the audio of {totals.matched_by_counting} callers, so "
            "their latency comes from counting bytes: lost audio would look like lateness"
        )
    return lines


def _row(name: str, spread: Spread, unit: str) -> str:
    figures = "".join(
        f"{value:10.1f}" for value in (spread.p50, spread.p95, spread.p99, spread.max)
    )
    return f"{name:<17}{figures}  {unit}".rstrip()


def _trouble(totals: Totals) -> list[str]:
    lines = [
        f"refused           {count} callers: HTTP {status}"
        for status, count in totals.refusals.items()
    ]
    return lines + [
        f"failed            {count} callers: {why}" for why, count in totals.failures.items()
    ]


def _server(result: RunResult, totals: Totals) -> list[str]:
    server = result.server
    if server is None and result.bot is not None:
        return []
    if server is None:
        return ["server            not measured: --server-pid names a process on this machine"]
    num_callers = totals.served or 1
    per_frame = cpu_us_per_frame(result, totals.frames_sent)
    a_frame = "" if per_frame is None else f"{per_frame:.1f} us a frame, "
    rss_mb = server.rss_mb - server.rss_idle_mb
    return [
        (
            f"server            {server.cpu_percent:.1f} % of a core: {a_frame}"
            f"{server.cpu_percent / num_callers:.3f} % a caller"
        ),
        (
            f"memory            {server.rss_idle_mb:.1f} MB idle, {server.rss_mb:.1f} MB loaded: "
            f"{rss_mb / num_callers:.3f} MB a caller"
        ),
    ]


def _generator(result: RunResult, totals: Totals) -> list[str]:
    late_ms = totals.late_ms
    if late_ms is None:
        return []
    verdict = (
        "it kept up: these figures are the server's"
        if totals.is_trustworthy
        else "IT DID NOT KEEP UP: do not trust these figures; use fewer callers or more cores"
    )
    return [
        (
            f"generator         late p50 {late_ms.p50:.2f}, p99 {late_ms.p99:.2f}, "
            f"max {late_ms.max:.1f} ms; {result.generator_cpu_percent:.0f} % of a core; {verdict}"
        )
    ]
