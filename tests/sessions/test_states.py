"""A server's sessions, whatever its callers do and in whatever order."""

import asyncio
import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.simulation.caller import CHUNK_BYTES, ENDS, VirtualCaller
from tests.simulation.complaints import Complaints
from tests.simulation.loop import LoopClock, SimulatedLoop
from tests.state_machines import FEW
from tests.transports.client import Echo
from voicewire import (
    BaseTransport,
    Limits,
    Pipeline,
    PipelineParams,
    PipelineRunner,
    PipelineTask,
    VoiceServer,
    WebsocketServerParams,
)

MAX_SESSIONS = 3
LONGEST_END_SECS = 60.0
"""A peer that has vanished is asked, waited for and given up; its bot gets a while, too."""


class SessionStates(RuleBasedStateMachine):
    """The model: how many bots were called, and how many of them have returned."""

    def __init__(self) -> None:
        super().__init__()
        self.complaints = Complaints()
        self.complaints.__enter__()
        self.loop = SimulatedLoop()
        self.rng = random.Random(1)  # noqa: S311 - no secret
        self.clock = LoopClock(self.loop)
        self.num_started = self.num_ended = 0
        self.num_arrived = self.num_left = 0
        self.callers: list[VirtualCaller] = []
        self.gone: list[VirtualCaller] = []
        params = WebsocketServerParams(audio_in_enabled=True, audio_out_enabled=True)
        self.server = VoiceServer(
            self.bot,
            host="127.0.0.1",
            port=0,
            params=params,
            limits=Limits(max_sessions=MAX_SESSIONS),
            clock=self.clock,
        )
        self.loop.run_until_complete(self.server.start())

    async def bot(self, transport: BaseTransport) -> None:
        self.num_started += 1

        @transport.event_handler("on_client_connected")
        async def arrived(*_: object) -> None:
            self.num_arrived += 1

        @transport.event_handler("on_client_disconnected")
        async def left(*_: object) -> None:
            self.num_left += 1

        try:
            pipeline = Pipeline([transport.input(), Echo(), transport.output()])
            params = PipelineParams(audio_out_sample_rate=16000)
            await PipelineRunner().run(PipelineTask(pipeline, params=params, clock=self.clock))
        finally:
            self.num_ended += 1

    def let_pass(self, secs: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(secs))

    @rule(can_shake_hands=st.sampled_from([True, True, True, False]))
    def somebody_calls(self, can_shake_hands: bool) -> None:
        caller = VirtualCaller(self.loop, self.rng, "/", "10.0.0.1")
        if can_shake_hands:
            caller.shake_hands()
        self.callers.append(caller)

    @precondition(lambda self: self.callers)
    @rule(index=st.integers(0, 5), num_chunks=st.integers(1, 30))
    def somebody_speaks(self, index: int, num_chunks: int) -> None:
        caller = self.callers[index % len(self.callers)]
        for _ in range(num_chunks):
            caller.speak(self.rng.randbytes(CHUNK_BYTES))

    @precondition(lambda self: self.callers)
    @rule(index=st.integers(0, 5), end=st.sampled_from(sorted(ENDS)))
    def somebody_leaves(self, index: int, end: str) -> None:
        caller = self.callers[index % len(self.callers)]
        ENDS[end](caller)
        if end not in ("stays", "sends the bot away"):
            self.callers.remove(caller)
            self.gone.append(caller)

    @rule(secs=st.sampled_from([0.0, 0.02, 0.3, 3.0]))
    def time_passes(self, secs: float) -> None:
        self.let_pass(secs)

    @precondition(lambda self: self.gone)
    @rule()
    def those_who_have_left_are_forgotten(self) -> None:
        self.let_pass(LONGEST_END_SECS)
        assert all(each.num_losses == 1 for each in self.gone)
        self.gone.clear()
        assert self.num_started - self.num_ended == len(self.server.sessions)
        assert self.num_arrived - self.num_left == len(self.server.sessions)
        assert len(self.server.sessions) == sum(each.is_open for each in self.callers)

    @invariant()
    def what_has_started_has_ended_or_lives(self) -> None:
        num_live = len(self.server.sessions)
        # A session is there a moment before its bot is called, and after it has returned.
        assert 0 <= self.num_started - self.num_ended <= num_live <= MAX_SESSIONS
        assert self.num_left <= self.num_arrived <= self.num_started
        assert self.server.stats.clients >= self.num_arrived

    @invariant()
    def nothing_raises(self) -> None:
        assert not self.loop.failures
        assert not self.complaints.texts

    @invariant()
    def callers_hear_what_they_have_said(self) -> None:
        for each in (*self.callers, *self.gone):
            assert bytes(each.said).startswith(bytes(each.heard[0]))

    def teardown(self) -> None:
        self.loop.run_until_complete(self.server.stop())
        self.let_pass(LONGEST_END_SECS)
        assert self.num_started == self.num_ended
        assert self.num_arrived == self.num_left
        assert not asyncio.all_tasks(self.loop)
        assert not self.loop.timers
        self.nothing_raises()
        self.complaints.__exit__()
        self.loop.close()


TestSessionStates = SessionStates.TestCase
TestSessionStates.settings = settings(FEW, max_examples=25)
