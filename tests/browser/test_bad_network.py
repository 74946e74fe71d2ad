"""Sound over a link that loses packets; `benchmarks/lossy_network.py` is the long form."""

import pytest

from benchmarks.impaired_link import Impairment, is_possible
from benchmarks.lossy_network import compare, num_glitches, silence_secs

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

SECS = 15.0


def test_our_client_plays_on_where_packets_are_lost(capsys: pytest.CaptureFixture[str]) -> None:
    if not is_possible():
        pytest.skip("network namespaces need root on Linux")
    ours, theirs = compare(Impairment(delay_secs=0.08, jitter_secs=0.04, loss=0.03), SECS)
    with capsys.disabled():
        counts = f"{num_glitches(ours)} glitches in {SECS:g} s, Pipecat's {num_glitches(theirs)}"
        print(f"\n{counts}")  # noqa: T201 - the figure is what one looks for
    assert len(ours.samples) > 0.8 * SECS * ours.sample_rate
    assert silence_secs(ours) < 0.15 * SECS
