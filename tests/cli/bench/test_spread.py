import numpy as np

from voicewire.cli.bench.spread import Spread


def test_percentiles_are_interpolated() -> None:
    assert Spread.of(range(101)) == Spread(p50=50.0, p95=95.0, p99=99.0, max=100.0)
    assert Spread.of([1.0, 2.0]) == Spread(p50=1.5, p95=1.95, p99=1.99, max=2.0)


def test_nothing_has_no_spread() -> None:
    assert Spread.of([]) is None
    assert Spread.of_secs(np.empty(0)) is None


def test_seconds_become_milliseconds() -> None:
    spread = Spread.of_secs([0.0123456])
    assert spread is not None
    assert spread.to_json() == {"p50": 12.346, "p95": 12.346, "p99": 12.346, "max": 12.346}
