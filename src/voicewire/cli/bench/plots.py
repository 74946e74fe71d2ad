"""The plots of the report, as SVG whose colours are the page's CSS variables."""

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voicewire.cli.bench.capacity import Objective
from voicewire.cli.bench.outcome import Floats
from voicewire.cli.bench.report import totals_of
from voicewire.cli.bench.run import RunResult
from voicewire.cli.console import as_command_error
from voicewire.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID, FIRST, SECOND, THIRD = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05"
"""Stand for colours that the page knows."""

_VARIABLES = {
    INK: "var(--ink-soft)",
    GRID: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
}

_STYLE: Any = {  # the type of its keys is a list of all of them
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelcolor": INK,
    "ytick.color": INK,
    "ytick.labelcolor": INK,
}

NUM_BINS = 60
"""Of a plot over time, no shorter than `MIN_BIN_SECS`."""

MIN_BIN_SECS = 0.1


def require_matplotlib() -> None:
    """Find out before a run whether its report can be drawn.

    Raises:
        CommandError: `matplotlib` is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise as_command_error(
            MissingExtraError("matplotlib", "bench", needed_for="a report with plots")
        ) from exc


def latency_over_time(result: RunResult) -> str:
    due_at = np.concatenate([caller.heard.due_at for caller in result.callers])
    latency_ms = 1000 * _latencies(result)
    secs = due_at - result.window.start_at
    num_bins = max(1, min(NUM_BINS, int(result.window.secs / MIN_BIN_SECS)))
    edges = np.linspace(0.0, result.window.secs, num_bins + 1)
    order = np.argsort(secs)
    bins = np.split(latency_ms[order], np.searchsorted(secs[order], edges[1:-1]))
    middles = [(a + b) / 2 for a, b, one in zip(edges, edges[1:], bins, strict=False) if one.size]
    figures = np.array([np.percentile(one, (50, 99, 100)) for one in bins if one.size])

    def draw(axes: "Axes") -> None:
        axes.fill_between(middles, figures[:, 0], figures[:, 1], color=FIRST, alpha=0.18, lw=0)
        axes.plot(middles, figures[:, 2], color=THIRD, lw=1.0, label="slowest")
        axes.plot(middles, figures[:, 1], color=SECOND, label="99th percentile")
        axes.plot(middles, figures[:, 0], color=FIRST, label="median")
        axes.set_xlabel("seconds into the measurement")
        axes.set_ylabel("frame latency, ms")
        axes.set_xlim(0, result.window.secs)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right", ncols=3)

    return _svg(draw, wide=True)


def latency_distribution(result: RunResult) -> str:
    return _distribution([("frame latency", 1000 * _latencies(result), FIRST)], "frame latency, ms")


def jitter_distribution(result: RunResult, *, wide: bool) -> str:
    jitter_ms = 1000 * np.concatenate([caller.heard.jitter_secs for caller in result.callers])
    return _distribution(
        [("output jitter", jitter_ms, SECOND)], "off the ideal schedule, ms", wide=wide
    )


def conversation_delays(result: RunResult) -> str:
    turns = [turn for caller in result.callers for turn in caller.heard.turns]
    series = [
        ("heard to speak", [turn.vad_delay_secs for turn in turns], FIRST),
        ("silent after a barge-in", [turn.barge_in_secs for turn in turns], SECOND),
        ("answered", [turn.response_secs for turn in turns], THIRD),
    ]
    known = [
        (name, 1000 * np.array([one for one in secs if one is not None], dtype=float), color)
        for name, secs, color in series
    ]
    return _distribution([one for one in known if one[1].size], "ms", wide=True)


def caller_spread(result: RunResult) -> str:
    heards = [caller.heard for caller in result.callers if caller.heard.latency_secs.size]
    figures = np.array(
        sorted(
            (tuple(1000 * np.percentile(heard.latency_secs, (50, 99, 100))) for heard in heards),
            key=lambda row: row[1],
        )
    )
    numbers = np.arange(1, len(figures) + 1)

    def draw(axes: "Axes") -> None:
        axes.scatter(numbers, figures[:, 2], s=5, color=THIRD, label="slowest", lw=0)
        axes.step(numbers, figures[:, 1], where="mid", color=SECOND, label="99th percentile")
        axes.scatter(numbers, figures[:, 0], s=5, color=FIRST, label="median", lw=0)
        axes.set_xlabel("callers, from the best served to the worst")
        axes.set_ylabel("frame latency, ms")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", ncols=3)

    return _svg(draw, wide=True)


def capacity_curve(steps: Sequence[RunResult], objective: Objective) -> str:
    points = sorted((step.plan.sessions, step) for step in steps if totals_of(step).latency_ms)
    numbers = [number for number, _ in points]
    spreads = [totals_of(step).latency_ms for _, step in points]

    def draw(axes: "Axes") -> None:
        p50s = [spread.p50 for spread in spreads if spread]
        p99s = [spread.p99 for spread in spreads if spread]
        axes.axhline(objective.max_p99_ms, color=THIRD, ls=(0, (4, 3)), lw=1.2, label="objective")
        axes.plot(numbers, p99s, "o-", ms=5, color=SECOND, label="99th percentile")
        axes.plot(numbers, p50s, "o-", ms=5, color=FIRST, label="median")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("callers")
        axes.set_ylabel("frame latency, ms")
        axes.set_xlim(left=0)
        axes.legend(loc="upper left", ncols=3)

    return _svg(draw, wide=True)


def cost_curve(steps: Sequence[RunResult]) -> str:
    points = sorted((s.plan.sessions, s.server.cpu_percent) for s in steps if s.server)

    def draw(axes: "Axes") -> None:
        axes.plot(*zip(*points, strict=True), "o-", ms=5, color=FIRST)
        axes.set_xlabel("callers")
        axes.set_ylabel("server, % of a core")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)

    return _svg(draw, wide=True)


def _distribution(
    series: Sequence[tuple[str, Floats, str]], unit: str, *, wide: bool = False
) -> str:
    """Draw which part of the values is no greater than each value."""

    def draw(axes: "Axes") -> None:
        for name, values, color in series:
            levels = np.linspace(0, 100, 501)
            axes.plot(np.percentile(values, levels), levels, color=color, label=name)
        axes.set_xlabel(unit)
        axes.set_ylabel("% no more than that")
        axes.set_ylim(0, 101)
        axes.set_xlim(left=0)
        if len(series) > 1:
            axes.legend(loc="upper left")

    return _svg(draw, wide=wide)


def _latencies(result: RunResult) -> Floats:
    return np.concatenate([caller.heard.latency_secs for caller in result.callers])


def _svg(draw: "Callable[[Axes], None]", *, wide: bool) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0 if wide else 4.6, 3.0), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # The page gives the width; the viewBox keeps the shape.
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    return svg
