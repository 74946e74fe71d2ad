"""What a reader is told of the faults. Pure."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.servers import SIDES, Values

Record = dict[str, Any]

NOT_FOR_ONE = "one caller by design"
NOT_MEASURED = "not measured"

MAX_GAP_CHANGE_PERCENT = 10.0
MAX_REFUSAL_MS = 100.0
LOSS_SECS = 3.0
MAX_LATE_SECS = 0.3


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        fault: Whose.
        words: What is told.
        show: Makes a cell of what a fault did; KeyError where that was not measured.
        goal: Ours, in words.
        is_met: Whether ours does it.
    """

    fault: str
    words: str
    show: Callable[[Values], str]
    goal: str = ""
    is_met: Callable[[Any], bool] = lambda values: True


def section(results: dict[str, Any]) -> str:
    """Return a section for RESULTS.md, in Markdown."""
    records: list[Record] = results["records"]
    num_rounds = max((each["round"] for each in records), default=0)
    titles = " | ".join(side.title for side in SIDES.values())
    lines = [
        "## The same faults",
        "",
        (
            f"Written by `{results['command']}` on {results['date']}, commit "
            f"{results['machine']['commit'] or 'unknown'}; the raw figures are in "
            "`benchmarks/faults.json`. `make bench-faults` repeats it: a quarter of an hour a "
            "round. Each fault happens to a fresh server, from outside, over sockets, by the same "
            "code, in the same wire; the bots echo, and say what they are asked to. Numbers are "
            f"medians of up to {num_rounds} rounds, of faults that wait for a timeout of one. "
            "Pipecat on FastAPI is its transport for many callers, on uvicorn as its documents "
            "have it; its own server is made for one caller. Both have their defaults but for "
            f"what a line names.{_load(records)}"
        ),
        "",
        f"| What happens | Goal | {titles} |",
        "|---|---|" + "---|" * len(SIDES),
        *(_line(row, records) for row in ROWS),
        *_troubles(records),
    ]
    return "\n".join(lines) + "\n"


def _load(records: Sequence[Record]) -> str:
    """Return what else the machine did meanwhile."""
    loads = [each["load"] for each in records if each.get("load") is not None]
    if not loads:
        return ""
    return (
        f" When the faults began, the machine's load average was {min(loads):g} to "
        f"{max(loads):g}. Gaps and refusals during which the callers or the server had to wait "
        "10 ms for a core are not counted, which is kind to whoever needs more of it."
    )


def unmet(records: Sequence[Record], side: str) -> list[str]:
    """Return the words of the rows whose goal a side misses."""
    found = []
    for row in ROWS:
        values = summary(records, row.fault, side)
        if row.goal and values and not row.is_met(values):
            found.append(row.words)
    return found


def summary(records: Sequence[Record], fault: str, side: str) -> Values:
    """Return what a fault did to a side, all rounds together: the medians of numbers."""
    rounds = [
        each
        for each in records
        if each["fault"] == fault and each["side"] == side and "error" not in each
    ]
    names = dict.fromkeys(name for each in rounds for name in each)
    return {name: _middle([each.get(name) for each in rounds]) for name in names}


def _middle(values: Sequence[Any]) -> bool | float | str | None:
    known = [value for value in values if value is not None]
    if len(set(map(str, values))) == 1:
        first: bool | float | str | None = values[0]
        return first
    if len(known) == len(values) and not any(isinstance(each, bool | str) for each in known):
        return float(statistics.median(known))
    words = [_say(value) for value in values]
    return " / ".join(f"{word} ({words.count(word)}x)" for word in dict.fromkeys(words))


def _line(row: Row, records: Sequence[Record]) -> str:
    cells = [_cell(row, records, name) for name in SIDES]
    ours = summary(records, row.fault, "voicewire")
    if row.goal and ours and not row.is_met(ours):
        cells[0] = f"**{cells[0]}**"
    return f"| {row.words} | {row.goal} | {' | '.join(cells)} |"


def _cell(row: Row, records: Sequence[Record], side: str) -> str:
    values = summary(records, row.fault, side)
    if values:
        try:
            return row.show(values)
        except KeyError:
            return NOT_FOR_ONE
    return NOT_MEASURED if FAULTS[row.fault].is_for(SIDES[side]) else NOT_FOR_ONE


def _troubles(records: Sequence[Record]) -> list[str]:
    errors = [
        f"- {each['fault']}, {SIDES[each['side']].title}: {each['error']}"
        for each in records
        if "error" in each
    ]
    return ["", "What could not be measured:", "", *errors] if errors else []


def _say(value: bool | float | str | None, unit: str = "", *, never: str = "no") -> str:
    if value is None:
        return never
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    number = f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"
    return f"{number} {unit}".rstrip()


def _is(name: str) -> Callable[[Values], str]:
    return lambda values: _say(values[name])


def _number(name: str, unit: str = "", *, never: str = "no") -> Callable[[Values], str]:
    return lambda values: _say(values[name], unit, never=never)


def _gaps(values: Values) -> str:
    before, during = values["gap_before_p99_ms"], values["gap_p99_ms"]
    assert isinstance(before, float)
    assert isinstance(during, float)
    return f"{before:.0f} → {during:.0f} ms ({100 * (during / before - 1):+.0f} %)"


def _are_gaps_steady(values: Values) -> bool:
    change = float(values["gap_p99_ms"] or 0) / float(values["gap_before_p99_ms"] or 1) - 1
    return 100 * change <= MAX_GAP_CHANGE_PERCENT


def _at_most(name: str, limit: float) -> Callable[[Values], bool]:
    def judge(values: Values) -> bool:
        value = values[name]
        return isinstance(value, float | int) and value <= limit

    return judge


def _equals(name: str, wanted: bool | float | str) -> Callable[[Values], bool]:
    return lambda values: values[name] == wanted


def _yes(fault: str, name: str, words: str) -> Row:
    return Row(fault, words, _is(name), "yes", _equals(name, True))


def _no(fault: str, name: str, words: str) -> Row:
    return Row(fault, words, _is(name), "no", _equals(name, False))


def _exit(values: Values) -> str:
    return f"{_say(values['exit_code'])}, {_say(values['close_code'])}"


ROWS = (
    _yes("second_caller", "second_is_served", "A second caller, while one talks, is served"),
    _yes("second_caller", "first_goes_on", "… and the first one goes on"),
    Row("twenty_callers", "20 callers at once: served", _number("served"), "20",
        _equals("served", 20)),
    Row("twenty_callers", "… hear somebody else", _number("heard_somebody_else"), "0",
        _equals("heard_somebody_else", 0)),
    Row("burst", "200 callers in a second, with 40 places of which 32 are taken "
        "(Pipecat has no such limit): let in", _number("admitted"), "8", _equals("admitted", 8)),
    Row("burst", "… the others are told no within", _number("refused_after_max_ms", "ms",
        never="nobody is refused"), "≤ 100 ms", _at_most("refused_after_max_ms", MAX_REFUSAL_MS)),
    Row("burst", "… gap between audio messages of those who talk, p99, before → meanwhile", _gaps,
        "≤ +10 %", _are_gaps_steady),
    _yes("other_page", "other_is_refused", "A web page of another origin is refused"),
    _yes("other_page_named", "other_is_refused", "… where the own page is named "
         "(`allowed_origins`)"),
    _yes("other_page_named", "own_is_admitted", "… and the own page is let in"),
    Row("never_reads", "Somebody reads nothing while the bot is handed 20 s of speech a second, "
        "for 30 s: memory", _number("memory_growth_mb", "MB")),
    Row("never_reads", "… closed after", _number("closed_after_secs", "s", never="not in 60 s"),
        "≤ 20 s", _at_most("closed_after_secs", 20.0)),
    _yes("never_reads", "next_is_served", "… and the next caller is served"),
    Row("half_open", "A caller's process stands still, and nothing answers: noticed after",
        _number("noticed_after_secs", "s", never="not in 60 s"), "≤ 25 s",
        _at_most("noticed_after_secs", 25.0)),
    _yes("stall", "is_kept", "… for 8 s only: the caller is kept"),
    Row("late_pongs", "Somebody talks and reads all the time, but their pongs are late by more "
        "than 50 s: kept", lambda values: "yes" if values["is_kept"] is True else
        f"dropped after {_say(values['dropped_after_secs'], 's')}", "yes",
        _equals("is_kept", True)),
    _yes("session_timeout", "is_kept_while_speaking",
         "`session_timeout` of 3 s (Pipecat's is the length of a session): who talks on is kept"),
    _yes("session_timeout", "is_ended_when_silent", "… and who is silent is not"),
    Row("garbage", "50 bytes that are no message: the session", _is("undecodable_leaves"),
        "goes on", _equals("undecodable_leaves", "goes on")),
    Row("garbage", "A text message on a binary wire: the session", _is("text_leaves"), "goes on",
        _equals("text_leaves", "goes on")),
    Row("garbage", "An empty message: the session", _is("empty_leaves"), "goes on",
        _equals("empty_leaves", "goes on")),
    Row("garbage", "A message of 10 MB: the session", _is("ten_megabytes_leaves"), "closed 1009",
        _equals("ten_megabytes_leaves", "closed 1009")),
    _yes("garbage", "early_audio_is_answered",
         "Audio in one packet with the handshake, which RFC 6455 forbids a client: is heard"),
    Row("garbage", "Longest silence of somebody else's echo meanwhile",
        _number("others_silence_ms", "ms"), "≤ 100 ms", _at_most("others_silence_ms", 100.0)),
    Row("garbage", "Tracebacks in the log", _number("tracebacks"), "0", _equals("tracebacks", 0)),
    _yes("garbage", "next_is_served", "The next caller is served"),
    _yes("trickle", "caller_is_served", "200 handshakes come a byte a second: a caller gets in"),
    Row("trickle", "… and they are cut after", _number("cut_after_secs", "s",
        never="not in 45 s"), "≤ 15 s", _at_most("cut_after_secs", 15.0)),
    Row("flood", "Somebody sends audio at 50 times real time, for 10 s: memory",
        _number("memory_growth_mb", "MB"), "≤ 5 MB", _at_most("memory_growth_mb", 5.0)),
    Row("flood", "… gap between somebody else's audio messages, p99, before → meanwhile", _gaps,
        "≤ +10 %", _are_gaps_steady),
    _no("reset_and_reconnect", "hears_the_former",
        "Somebody's connection is reset, another one calls at once: hears the former's audio"),
    Row("reset_and_reconnect", "… hears own audio after", _number("audio_after_ms", "ms",
        never="not in 5 s"), "≤ 300 ms", _at_most("audio_after_ms", 300.0)),
    Row("terminate", "SIGTERM, 3 s before the end of an utterance: exits after",
        _number("exit_after_secs", "s", never="not in 30 s"), "≤ 10 s",
        _at_most("exit_after_secs", 10.0)),
    Row("terminate", "… missing of the utterance", _number("missing_secs", "s"), "0",
        _equals("missing_secs", 0.0)),
    Row("terminate", "… exit code, close code", _exit, "0, 1001",
        lambda values: _exit(values) == "0, 1001"),
    Row("kill", "SIGKILL, and a new process on the same port at once: serves after",
        _number("back_after_secs", "s", never="not in 20 s")),
    _yes("lose_network", "is_let_in",
         "The network is gone for 3 s, nobody tells the server: the caller gets in again"),
    Row("lose_network", "… the bot goes on after", _number("heard_again_after_ms", "ms",
        never="not at all"), "≤ 300 ms", _at_most("heard_again_after_ms", 1000 * MAX_LATE_SECS)),
    Row("lose_network", "… silence heard", _number("silence_secs", "s", never="to the end"),
        "≤ 3.3 s", _at_most("silence_secs", LOSS_SECS + MAX_LATE_SECS)),
    Row("lose_network", "… of 10 s the caller misses", _number("caller_misses_secs", "s"), "0",
        _equals("caller_misses_secs", 0.0)),
    Row("lose_network", "… of 10 s the bot misses", _number("bot_misses_secs", "s",
        never="unknown"), "0", _equals("bot_misses_secs", 0.0)),
)  # fmt: skip
