"""All cases of the Autobahn test suite, without and with compression: `make conformance`.

It takes DURATION. Sections may be named::

    .venv/bin/python -m tests.conformance 7 12.1

The suite's own reports, with every byte that was sent, are in `.autobahn/reports`.
"""

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.conformance.wstest import (
    COMPRESSION_SECTIONS,
    ENVIRONMENT,
    GOOD,
    UNIMPLEMENTED,
    ConformanceError,
    Result,
    all_cases,
    echo_server,
    run_cases,
)

GROUP_LIMIT_SECS = 1800.0
"""How long the cases of one process may take."""

REPORTS = ENVIRONMENT / "reports"
MISSING = "MISSING"
"""In place of a verdict: the suite never came to the case."""

SETTINGS = {"default": False, "deflate": True}
"""Whether permessage-deflate is offered."""

COLUMNS = (*GOOD, UNIMPLEMENTED)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the Autobahn test suite.")
    parser.add_argument("sections", nargs="*", help='such as "7" or "12.1"; none: all')
    sections: list[str] = parser.parse_args().sections
    if not (ENVIRONMENT / "wstest").is_file():
        print("no suite: python scripts/make_conformance_env.py sets it up", file=sys.stderr)
        return 2
    try:
        groups = grouped(case for case in all_cases() if is_in(case, sections))
    except ConformanceError as exc:
        print(exc, file=sys.stderr)
        return 2
    if not groups:
        print(f"no case is in {' or '.join(sections)}", file=sys.stderr)
        return 2
    num_failed = 0
    for name, permessage_deflate in SETTINGS.items():
        results: list[Result] = []
        try:
            with echo_server(permessage_deflate=permessage_deflate) as url:
                run_groups(name, groups, url, results)
        except ConformanceError as exc:
            print(exc, file=sys.stderr)
            num_failed += 1
        num_failed += report(name, results, permessage_deflate=permessage_deflate)
    return 1 if num_failed else 0


def is_in(case: str, sections: Sequence[str]) -> bool:
    return not sections or any(f"{case}.".startswith(f"{section}.") for section in sections)


def grouped(cases: Iterable[str]) -> dict[str, list[str]]:
    """Return the cases that one process of the suite runs, by section.

    Those about compression are a process for each subsection: the suite keeps all that it sends.
    """
    groups: dict[str, list[str]] = {}
    for case in cases:
        section, subsection = case.split(".")[:2]
        name = f"{section}.{subsection}" if section in COMPRESSION_SECTIONS else section
        groups.setdefault(name, []).append(case)
    return groups


def run_groups(name: str, groups: dict[str, list[str]], url: str, results: list[Result]) -> None:
    """Add a result for each case to `results`, also where the suite itself fails."""
    shutil.rmtree(REPORTS / name, ignore_errors=True)
    for group, cases in groups.items():
        print(f"{name}: section {group}, {len(cases)} cases", file=sys.stderr, flush=True)
        reports = REPORTS / name / group
        reports.mkdir(parents=True)
        found: dict[str, Result] = {}
        try:
            done = run_cases(url, cases, reports, limit_secs=GROUP_LIMIT_SECS)
            found = {each.case: each for each in done}
        except ConformanceError as exc:
            print(exc, file=sys.stderr)
        results += [found.get(case, Result(case, MISSING)) for case in cases]


def report(name: str, results: Sequence[Result], *, permessage_deflate: bool) -> int:
    """Print a table; return how many cases failed."""
    wrong = [each for each in results if not each.is_good(permessage_deflate=permessage_deflate)]
    sections = list(dict.fromkeys(each.section for each in results))
    print(f"\n{name} (permessage-deflate {'on' if permessage_deflate else 'off'})\n")
    print("".join(f"{title:>15}" for title in ("section", *COLUMNS, "failed")))
    for section in (*sections, "all"):
        mine = [each for each in results if section in (each.section, "all")]
        verdicts = Counter(each.verdict for each in mine if each not in wrong)
        failed = sum(each in wrong for each in mine)
        cells = (section, *(verdicts[column] for column in COLUMNS), failed)
        print("".join(f"{cell:>15}" for cell in cells), flush=True)
    for each in wrong:
        group = next(iter(grouped([each.case])))
        where = "" if each.verdict == MISSING else f": see {REPORTS / name / group}/index.html"
        print(f"case {each.case}: {each.verdict}{where}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
