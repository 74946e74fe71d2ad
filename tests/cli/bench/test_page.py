import re
import xml.etree.ElementTree as ET

import pytest

from tests.cli.bench.results import conversation_result, refused_result, result
from voicewire.cli.bench.capacity import Found, Objective
from voicewire.cli.bench.page import Search, run_page, search_page

pytest.importorskip("matplotlib")


def plots_in(page: str) -> list[str]:
    plots = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    for plot in plots:
        ET.fromstring(plot)  # noqa: S314 - it is our own
    return plots


def loads_nothing(page: str) -> bool:
    return not re.search(r"""(?:src=|<link|<script|@import|url\((?!['"]?#)|href="(?!\#))""", page)


def test_a_run_is_a_page_that_loads_nothing() -> None:
    page = run_page(result(glitches=3))
    assert loads_nothing(page)
    assert len(plots_in(page)) == 4
    assert "Players ran dry 3 times, at 1 callers." in page


def test_the_plots_have_the_colours_of_the_page() -> None:
    for plot in plots_in(run_page(result())):
        assert "var(--first)" in plot or "var(--second)" in plot
        assert not re.search("#0a0b0[0-9]", plot)


def test_a_conversation_is_plotted_by_its_delays() -> None:
    page = run_page(conversation_result())
    assert len(plots_in(page)) == 2
    assert "Delays of a conversation" in page


def test_a_run_that_served_nobody_is_a_page_too() -> None:
    page = run_page(refused_result())
    assert not plots_in(page)
    assert "0 of 3 callers were served" in page


def test_a_search_shows_its_curve_and_its_best_step() -> None:
    page = search_page(Search(Found(2, 4, is_lower_bound=False), Objective(), [result()]))
    assert loads_nothing(page)
    assert len(plots_in(page)) == 6
    assert "It missed that at 4." in page


def test_a_search_without_any_latency_has_no_curve() -> None:
    page = search_page(Search(Found(0, 1, is_lower_bound=False), Objective(), [refused_result()]))
    assert not plots_in(page)
    assert "The server holds 0 callers" in page


def test_what_a_server_is_called_is_no_markup() -> None:
    run = result()
    run.bot = "<b>bot</b>"
    assert "<b>bot</b>" not in run_page(run)
