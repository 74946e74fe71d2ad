"""The measurements: each starts the servers that it needs, and returns a record's values."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.side_by_side.ladder import search
from benchmarks.side_by_side.load import call, is_held, is_trusted
from benchmarks.side_by_side.machine import CALLERS_CORE, SERVER_CORE
from benchmarks.side_by_side.peers import PICOWS, PIPECAT, ROOT
from benchmarks.side_by_side.processes import OUR_PYTHON, beside, run_json, serving

Values = dict[str, Any]

SHARE_OF_CAPACITY = 0.7

FEW_CALLERS = 50
"""Where the cost per caller begins."""

GOOD_CALLERS = 100
"""Beside whom noisy neighbours call."""

SCRIPT_SECS = 180.0
"""How long a script of ours may take beyond what it is told to."""

EXPECTED = {"mailbox": 600, "vad": 300, "pipecat": 45, "pipecat-vad": 12}
"""Where the first search for a capacity begins; only how long it takes depends on it."""

FIRST_STRIDE = 4
"""Rungs of the first jump in the first search; later ones begin where the one before ended."""


@dataclass(slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        secs: Measured time of a run.
        callers: Of the runs that compare the cost of a frame.
        idle_callers: Who connect and never talk.
        long_secs: Of the long run; 0 leaves it out.
    """

    secs: float = 5.0
    callers: int = 300
    idle_callers: int = 2000
    long_secs: float = 600.0


@dataclass(slots=True)
class Measurer:
    """Does the measurements.

    Attributes:
        sizes: How much.
        capacities: What has been found so far, by side, the latest last.
        round_number: From 1.
    """

    sizes: Sizes = field(default_factory=Sizes)
    capacities: dict[str, list[int]] = field(default_factory=dict)
    round_number: int = 1

    def cost(self, side: str) -> Values:
        """What a frame costs, with the same number of callers on each side."""
        with serving(side) as server:
            return call(server, self.sizes.callers, self.sizes.secs)

    def alone(self, side: str) -> Values:
        """One caller, as Pipecat's own WebSocket server has it."""
        with serving(side) as server:
            return call(server, 1, self.sizes.secs)

    def few(self, side: str) -> Values:
        with serving(side) as server:
            return call(server, FEW_CALLERS, self.sizes.secs)

    def loaded(self, side: str) -> Values:
        """At a share of what this side holds."""
        with serving(side) as server:
            return call(server, self._share_of(side), 2 * self.sizes.secs)

    def conversation(self, side: str) -> Values:
        """Callers who cut answers off, at a share of what the server holds with Silero."""
        with serving(side) as server:
            secs = 4 * self.sizes.secs
            return call(server, self._share_of("vad"), secs, scenario="conversation")

    def capacity(self, side: str) -> Values:
        """How many callers a side holds; a fresh server for each step."""
        steps: list[Values] = []

        def holds(num_callers: int) -> bool:
            # One hiccup of the machine must not decide: what misses is tried once more.
            for _ in range(2):
                with serving(side) as server:
                    report = call(server, num_callers, self.sizes.secs, tries=1)
                steps.append(report)
                if is_held(report):
                    return True
                latency_ms = report["latency_ms"]
                if is_trusted(report) and latency_ms and latency_ms["p99"] > 200:
                    return False  # That was no hiccup.
            return False

        before = self.capacities.setdefault(side, [])
        found = search(
            holds,
            start=before[-1] if before and before[-1] else EXPECTED[side],
            stride=1 if before else FIRST_STRIDE,
        )
        before.append(found)
        at_capacity = next(
            (step for step in steps if step["sessions"] == found and is_held(step)), None
        )
        return {
            "capacity": found,
            "at_capacity": at_capacity,
            "steps": [_brief(step) for step in steps],
            # That the callers were late above the capacity says that it may be higher.
            "generator": {
                "is_trustworthy": all(
                    is_trusted(step) for step in steps if step["sessions"] > found
                )
            },
        }

    def vad_cost(self, side: str) -> Values:
        """CPU per window of 32 ms, at 64 callers."""
        speech = ROOT / "tests/data/speech/sense_0870.wav"
        python = PIPECAT.python if side == "pipecat" else OUR_PYTHON
        return run_json(
            python,
            [f"benchmarks.bots.{side}_vad_cost", str(speech), "64"],
            core=SERVER_CORE, timeout_secs=SCRIPT_SECS,
        )  # fmt: skip

    def imports(self, side: str) -> Values:
        """What the imports of a bot take."""
        python = {"pipecat": PIPECAT.python, "nothing": PICOWS.python}.get(side, OUR_PYTHON)
        return run_json(
            python, ["benchmarks.bots.imports", side], core=SERVER_CORE, timeout_secs=SCRIPT_SECS
        )

    def idle_server(self, side: str) -> Values:
        """What a server with Silero takes until it listens."""
        with serving(side) as server:
            return {"cpu_secs": server.cpu_secs, "rss_mb": server.rss_mb}

    def idle_callers(self, side: str) -> Values:
        """Callers who are connected and say nothing."""
        with serving(side) as server:
            return run_json(
                OUR_PYTHON,
                ["benchmarks.clients.idle", server.url, str(server.pid),
                 str(self.sizes.idle_callers), str(self.sizes.secs)],
                timeout_secs=self.sizes.secs + SCRIPT_SECS,
            )  # fmt: skip

    def neighbours(self, side: str) -> Values:
        """Good callers, without and with bad ones beside them."""
        with serving("mailbox") as server:
            secs = 2 * self.sizes.secs
            if side == "without":
                return call(server, GOOD_CALLERS, secs)
            with beside(["benchmarks.clients.neighbours", server.url], core=CALLERS_CORE):
                return call(server, GOOD_CALLERS, secs)

    def stall(self, side: str) -> Values:
        """The event loop is blocked once, under a small load that both sides hold."""
        num_callers = max(1, round(SHARE_OF_CAPACITY * min(self._share_of("pipecat"), FEW_CALLERS)))
        script = "reserve" if "talker" in side else "timeline"
        with serving(side) as server:
            return run_json(
                OUR_PYTHON,
                [f"benchmarks.clients.{script}", server.url, str(server.pid),
                 str(num_callers), "12", "--stall-at", "4"],
                timeout_secs=SCRIPT_SECS,
            )  # fmt: skip

    def long(self, side: str) -> Values:
        """Minutes at a share of what the server holds."""
        with serving(side) as server:
            return run_json(
                OUR_PYTHON,
                ["benchmarks.clients.timeline", server.url, str(server.pid),
                 str(self._share_of(side)), str(self.sizes.long_secs)],
                timeout_secs=self.sizes.long_secs + SCRIPT_SECS,
            )  # fmt: skip

    def _share_of(self, side: str) -> int:
        found = [capacity for capacity in self.capacities.get(side, ()) if capacity]
        capacity = sorted(found)[len(found) // 2] if found else EXPECTED[side]
        return max(1, round(SHARE_OF_CAPACITY * capacity))


def _brief(report: Values) -> Values:
    latency_ms, server = report["latency_ms"], report["server"]
    return {
        "sessions": report["sessions"],
        "p50_ms": latency_ms and latency_ms["p50"],
        "p99_ms": latency_ms and latency_ms["p99"],
        "glitches": report["glitches"],
        "cpu_percent": server and server["cpu_percent"],
        "is_held": is_held(report),
        "is_trustworthy": is_trusted(report),
    }
