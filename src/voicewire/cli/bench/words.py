"""A run's figures as sentences. Pure."""

from voicewire.cli.bench.capacity import Found, Objective, found_line
from voicewire.cli.bench.report import Totals, cpu_us_per_frame, totals_of
from voicewire.cli.bench.run import RunResult


def summary(result: RunResult) -> list[str]:
    """Return what a person who asks "and, how was it?" would be told."""
    totals = totals_of(result)
    sentences = [_who(result, totals), _how_fast(totals), _how_smooth(totals)]
    sentences += [_turns(totals), _cost(result, totals), _trust(result, totals)]
    return [sentence for sentence in sentences if sentence]


def capacity_summary(found: Found, objective: Objective) -> str:
    """Return what a search found."""
    sentence = found_line(found, objective).replace("capacity: ", "The server holds ", 1) + "."
    if found.is_lower_bound:
        sentence += " Beyond that the callers' own processes could not keep up."
    elif found.missed_at is not None:
        sentence += f" It missed that at {found.missed_at}."
    return sentence


def _who(result: RunResult, totals: Totals) -> str:
    number = result.plan.sessions
    sentence = f"{totals.served} of {number} callers were served for {result.window.secs:.3g} s."
    refused, failed = sum(totals.refusals.values()), sum(totals.failures.values())
    if refused:
        sentence += f" {refused} were refused."
    if failed:
        sentence += f" {failed} failed: {', '.join(totals.failures)}."
    return sentence


def _how_fast(totals: Totals) -> str:
    latency_ms = totals.latency_ms
    if latency_ms is None:
        return ""
    return (
        f"Half of what they said came back within {latency_ms.p50:.3g} ms, "
        f"99 of 100 frames within {latency_ms.p99:.3g} ms, and the slowest took "
        f"{latency_ms.max:.3g} ms."
    )


def _how_smooth(totals: Totals) -> str:
    if totals.jitter_ms is None:
        return "No audio came back."
    if not totals.glitches:
        return "Nobody's player ever ran dry."
    return f"Players ran dry {totals.glitches} times, at {totals.glitching_callers} callers."


def _turns(totals: Totals) -> str:
    sentence = ""
    if totals.response_ms is not None:
        sentence = f"Answers began {totals.response_ms.p50:.0f} ms after the last word (median)."
    if totals.barge_in_ms is not None:
        sentence += (
            f" Whoever spoke into one heard the last of it {totals.barge_in_ms.p50:.0f} ms later."
        )
    if totals.vad_delay_ms is not None:
        sentence += (
            f" It took {totals.vad_delay_ms.p50:.0f} ms until the server heard that they spoke."
        )
    if totals.unanswered_turns:
        sentence += f" {totals.unanswered_turns} phrases were not answered."
    return sentence.strip()


def _cost(result: RunResult, totals: Totals) -> str:
    server = result.server
    if server is None:
        return ""
    per_frame = cpu_us_per_frame(result, totals.frames_sent)
    a_frame = "" if per_frame is None else f", {per_frame:.3g} microseconds for each frame of 20 ms"
    return (
        f"The server used {server.cpu_percent:.3g} % of a core{a_frame}, "
        f"and {server.rss_mb:.0f} MB of memory."
    )


def _trust(result: RunResult, totals: Totals) -> str:
    late_ms = totals.late_ms
    if late_ms is None:
        return ""
    if totals.is_trustworthy:
        return (
            f"The callers kept time: 99 of 100 frames were sent within {late_ms.p99:.2g} ms of "
            "their schedule."
        )
    return (
        f"Do not trust these figures: the callers could not keep time (99th percentile "
        f"{late_ms.p99:.3g} ms late, {result.generator_cpu_percent:.0f} % of a core)."
    )
