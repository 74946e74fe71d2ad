"""Whether sessions have ended as their callers had it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from voicewire.sessions.ends import EndReason


def faults_of_counts(news: Mapping[str, object]) -> list[str]:
    """Return what is wrong with a server's counts of sessions in themselves."""
    started, live, ended = news["started"], news["live"], news["ended"]
    assert isinstance(started, int)
    assert isinstance(live, int)
    assert isinstance(ended, dict)
    faults = [f"{reason!r} is no reason for an end" for reason in ended if reason not in _REASONS]
    if started != live + sum(ended.values()):
        faults.append(f"{started} sessions were started, {live} live, {sum(ended.values())} ended")
    return faults


_REASONS = frozenset(EndReason)


def implausible(
    ended: Mapping[str, int], calls: Iterable[tuple[frozenset[EndReason], int]]
) -> list[str]:
    """Return which reasons were given more often, or less, than callers can have been the cause.

    Args:
        ended: How many sessions ended, by the reason.
        calls: How a kind of call may end, and how many of it there were.
    """
    least, most = Counter[EndReason](), Counter[EndReason]()
    for ends, number in calls:
        most.update(dict.fromkeys(ends, number))
        if len(ends) == 1:
            least.update(dict.fromkeys(ends, number))
    return [
        f"{reason.value}: {ended.get(reason, 0)} sessions, expected {least[reason]}"
        + (f" to {most[reason]}" if most[reason] > least[reason] else "")
        for reason in EndReason
        if not least[reason] <= ended.get(reason, 0) <= most[reason]
    ]
