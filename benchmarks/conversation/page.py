"""What a reader is told of the figures. Pure."""

from typing import Any


def section(results: dict[str, Any]) -> str:
    """Return a section for RESULTS.md, in Markdown."""
    figures = results["figures"]
    num_asked = figures["embedded"]["voicewire"]["said_to_audio_ms"]["count"]
    lines = [
        "## How a conversation feels",
        "",
        (
            f"Written by `{results['command']}`; the raw figures are in "
            "`benchmarks/conversation.json`, each with its date. Simulated services take 150 ms to "
            "transcribe, 250 ms to the first word and 100 ms to the first audio. The embedded bot "
            f"is asked {num_asked} times: real speech, recorded, and everyday questions in its own "
            "voice. Pipecat asks the same models by HTTP over the loopback and uses its own turn "
            "strategy with the same Smart Turn; for it a turn is decided when its transcription "
            "has come, for voicewire before."
        ),
        "",
        "| | Goal | Reached | |",
        "|---|---|---|---|",
    ]
    for what, goal, reached, is_reached in _rows(figures):
        lines.append(f"| {what} | {goal} | {reached} | {'yes' if is_reached else '**no**'} |")
    return "\n".join(lines) + "\n"


def _rows(figures: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    added = figures["added"]["added_ms"]
    embedded, peer = figures["embedded"]["voicewire"], figures["embedded"]["pipecat"]
    decided, said = embedded["decided_to_audio_ms"], embedded["said_to_audio_ms"]
    barge, echo = figures["barge_in"], figures["echo"]
    ours, stock = figures["memory"], figures["memory_stock"]
    barge_goal_ms = 1000 * barge["start_secs"] + 60
    cut_ins = embedded["cut_ins"] / max(1, embedded["pauses"])
    return [
        (
            f"added to the services' own delays, {figures['added']['callers']} callers, p99",
            "≤ 15 ms",
            f"{added['p99']} ms (p50 {added['p50']}, of {added['count']} turns)",
            added["p99"] <= 15,
        ),
        (
            "turn decided → first audio sent, embedded bot, one caller, p50",
            "≤ 0.5 s",
            f"{_secs(decided)}; Pipecat: {_secs(peer['decided_to_audio_ms'])}",
            decided["p50"] <= 500,
        ),
        (
            "caller's last sample → first audio, p50",
            "≤ 1.0 s",
            f"{_secs(said)}; Pipecat: {_secs(peer['said_to_audio_ms'])}",
            said["p50"] <= 1000,
        ),
        (
            "cut-ins at the pauses of the recordings",
            "≤ 5 %",
            (
                f"{embedded['cut_ins']} of {embedded['pauses']}; Pipecat: "
                f"{peer['cut_ins']} of {peer['pauses']}"
            ),
            cut_ins <= 0.05,
        ),
        (
            "caller's first sample → bot silent at the socket, p50",
            f"≤ {barge_goal_ms:.0f} ms",
            (
                f"{barge['onset_to_silence_ms']['p50']:.0f} ms (max "
                f"{barge['onset_to_silence_ms']['max']:.0f})"
            ),
            barge["onset_to_silence_ms"]["p50"] <= barge_goal_ms,
        ),
        *(
            (
                (
                    f"words remembered that were not heard, {each['interruptions']} interruptions, "
                    f"{client}"
                ),
                f"≤ {goal} on average",
                (
                    f"{each['words_kept_unheard_mean']} (max {each['words_kept_unheard_max']}; "
                    f"forgotten though heard: {each['words_lost_mean']})"
                ),
                each["words_kept_unheard_mean"] <= goal,
            )
            for each, client, goal in (
                (ours, "our client", 1),
                (stock, "one that cannot flush", 2),
            )
        ),
        (
            (
                f"the bot interrupts itself in {echo['minutes']:g} minutes, its voice back at "
                f"-20 dB through a room ({echo['room']})"
            ),
            "0",
            (
                f"{echo['false_interruptions']} (without the guard: "
                f"{echo['false_interruptions_unguarded']}); of {echo['callers']} callers who speak "
                f"over it {echo['callers_heard_in_1_s']} are heard within 1 s"
            ),
            echo["false_interruptions"] == 0,
        ),
    ]


def _secs(figure: dict[str, float]) -> str:
    return f"{figure['p50'] / 1000:.2f} s (p95 {figure['p95'] / 1000:.2f})"
