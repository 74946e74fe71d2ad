"""One run: a server with callers of all kinds, everything by the chance of a seed."""

import asyncio
import random
from dataclasses import dataclass, field

from tests.simulation.caller import CHUNK_BYTES, ENDS, VirtualCaller, VirtualDevice
from tests.simulation.complaints import Complaints
from tests.simulation.loop import LoopClock, SimulatedLoop
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
from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.clock import Clock
from voicewire.frames import (
    ClientConnectedFrame,
    Frame,
    LLMMessagesAppendFrame,
    OutputAudioRawFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor
from voicewire.serializers import RawFrameSerializer

UTTERANCE_SECS = 1.0
SETTLE_SECS = 60.0
"""After which nothing may be left that was to happen."""

MAX_SESSIONS = 4

HEADS = (b"GET / HTTP/1.1\r\nHo", b"GET /healthz HTTP/1.0\r\n\r\n", b"\x16")
"""What somebody begins with who will not speak WebSocket."""


@dataclass
class Outcome:
    """What a run has shown.

    Attributes:
        problems: What must not happen; empty if all is well.
        story: What the callers did and got, in order: the same in each run with this seed.
        num_sessions: How many sessions there were.
    """

    problems: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    num_sessions: int = 0


def run(seed: int) -> Outcome:
    """Run the schedule of a seed."""
    world = _World(seed)
    loop = SimulatedLoop()
    with Complaints() as complaints:
        loop.run_until_complete(world.turn(loop))
    loop.close()
    problems = world.outcome.problems
    problems += [f"the event loop: {each}" for each in loop.failures]
    problems += [f"logged: {each}" for each in complaints.texts]
    return world.outcome


def speech(seed: int, caller: int, utterance: int, secs: float) -> bytes:
    """Return audio that is like no other: mono s16le at 16 kHz."""
    rng = random.Random(f"{seed}/{caller}/{utterance}")  # noqa: S311 - no secret
    return rng.randbytes(round(secs * 50) * CHUNK_BYTES)


class _Talker(InlineProcessor):
    """Speaks when somebody comes, and again whenever it is written to."""

    def __init__(self, seed: int, caller: int) -> None:
        super().__init__()
        self._seed = seed
        self._caller = caller
        self._num_utterances = 0

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, ClientConnectedFrame | LLMMessagesAppendFrame):
            pcm = speech(self._seed, self._caller, self._num_utterances, UTTERANCE_SECS)
            self._num_utterances += 1
            self.push(OutputAudioRawFrame(pcm, 16000, 1))


@dataclass
class _Visit:
    """What has been told of one session."""

    num_arrivals: int = 0
    num_departures: int = 0


class _World:
    def __init__(self, seed: int) -> None:
        self.outcome = Outcome()
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._visits: list[_Visit] = []
        self._clock: Clock

    async def turn(self, loop: SimulatedLoop) -> None:
        rng = self._rng
        self._clock = LoopClock(loop)
        server = VoiceServer(
            self._bot,
            host="127.0.0.1",
            port=0,
            params=WebsocketServerParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_out_sample_rate=16000,
                dialects={"/raw/talk": RawFrameSerializer(), "/raw/echo": RawFrameSerializer()},
                session_timeout=rng.choice((None, 1.0)),
            ),
            limits=Limits(max_sessions=MAX_SESSIONS, max_session_secs=rng.choice((None, 3.0))),
            clock=self._clock,
        )
        await server.start()
        callers = [_Life(self._seed, number, rng, loop) for number in range(rng.randint(1, 6))]
        await asyncio.gather(*(each.live() for each in callers))
        await asyncio.sleep(rng.choice((0.0, 0.5, 30.0)))
        await server.stop(drain_secs=rng.choice((0.0, 2.0)))
        self._check_server(server)
        await asyncio.sleep(SETTLE_SECS)
        self._check_that_nothing_is_left(loop)
        for each in callers:
            self.outcome.story.append(each.summary())
            self.outcome.problems += each.problems()

    async def _bot(self, transport: BaseTransport) -> None:
        visit = _Visit()
        self._visits.append(visit)

        @transport.event_handler("on_client_connected")
        async def arrived(*_: object) -> None:
            visit.num_arrivals += 1

        @transport.event_handler("on_client_disconnected")
        async def left(*_: object) -> None:
            visit.num_departures += 1

        client = transport.client  # type: ignore[attr-defined]  # a session's transport has one
        if client.path.endswith("/talk"):
            await self._run(transport, _Talker(self._seed, int(client.query["n"])))
        else:
            await self._run(transport, Echo())

    async def _run(self, transport: BaseTransport, processor: InlineProcessor) -> None:
        pipeline = Pipeline([transport.input(), processor, transport.output()])
        params = PipelineParams(audio_out_sample_rate=16000)
        await PipelineRunner().run(PipelineTask(pipeline, params=params, clock=self._clock))

    def _check_server(self, server: VoiceServer) -> None:
        self.outcome.num_sessions = len(self._visits)
        if server.sessions:
            self._problem(f"{len(server.sessions)} sessions are left")
        for visit in self._visits:
            if visit.num_arrivals > 1 or visit.num_departures != visit.num_arrivals:
                self._problem(f"a session's events: {visit}")
        if server.stats.clients != sum(visit.num_arrivals for visit in self._visits):
            self._problem(f"{server.stats.clients} clients counted")

    def _check_that_nothing_is_left(self, loop: SimulatedLoop) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            self._problem(f"tasks are left: {tasks}")
        if loop.timers:
            self._problem(f"timers are left: {loop.timers}")

    def _problem(self, text: str) -> None:
        self.outcome.problems.append(text)


class _Life:
    """One caller, from beginning to end."""

    def __init__(self, seed: int, number: int, rng: random.Random, loop: SimulatedLoop) -> None:
        self._seed = seed
        self._number = number
        self._rng = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret
        self._loop = loop
        self._starts_after_secs = rng.choice((0.0, rng.uniform(0.0, 1.0)))
        self._talks = self._rng.random() < 0.5
        self._is_device = self._rng.random() < 0.3
        self._can_flush = self._rng.random() < 0.5
        self._is_patient = self._rng.random() < 0.5
        self._end = self._rng.choice(tuple(ENDS))
        self._num_wishes = 1
        self._heard_to_the_end = False
        self._deeds: list[str] = []
        self._caller: VirtualCaller | None = None

    async def live(self) -> None:
        await asyncio.sleep(self._starts_after_secs)
        rng = self._rng
        path = f"/talk?n={self._number}" if self._talks else "/echo"
        make = VirtualDevice if self._is_device else VirtualCaller
        path = f"/raw{path}" if self._is_device else path
        caller = self._caller = make(self._loop, rng, path, f"10.0.0.{self._number}")
        if rng.random() < 0.1:
            await self._never_shake_hands(caller)
            return
        caller.shake_hands()
        # A device has to say hello first.
        await asyncio.sleep(0.5 if self._is_device else rng.choice((0.0, 0.05, 0.5)))
        if self._can_flush or self._is_device:
            caller.tell("client-ready", version="2.1.0", voicewire={"flush": self._can_flush})
        pcm = speech(self._seed, self._number, -1, rng.uniform(0.0, 1.2))
        for at in range(0, len(pcm), CHUNK_BYTES):
            caller.speak(pcm[at : at + CHUNK_BYTES])
            if rng.random() < 0.06:
                await self._do_something(caller)
            await asyncio.sleep(rng.choice((0.02, 0.02, 0.02, 0.0, 0.04)))
        if self._is_patient:
            caller.read(reads=True)
            await asyncio.sleep(self._num_wishes * UTTERANCE_SECS + 2.0)
            self._heard_to_the_end = caller.is_open
        self._deeds.append(self._end)
        ENDS[self._end](caller)

    async def _never_shake_hands(self, caller: VirtualCaller) -> None:
        head = self._rng.choice(HEADS)
        self._deeds.append(f"sends {head!r}")
        self._num_wishes = 0
        caller.send_bytes(head)
        await asyncio.sleep(self._rng.uniform(0.0, 20.0))

    async def _do_something(self, caller: VirtualCaller) -> None:
        deed = self._rng.choice(
            ("babble", "ping", "stop reading", "read", "stall", "wish", "pause", "burst")
        )
        self._deeds.append(deed)
        if deed == "babble":
            caller.babble()
        elif deed == "ping":
            caller.ping()
        elif deed in ("stop reading", "read"):
            caller.read(reads=deed == "read")
        elif deed == "stall":
            caller.weather.delay_secs = self._rng.choice((0.0, 0.02, 0.4))
        elif deed == "wish" and self._talks and caller.is_open:
            caller.tell("send-text", content="again")
            self._num_wishes += 1
        elif deed == "pause":
            await asyncio.sleep(self._rng.choice((0.1, 1.5, 25.0)))
        elif deed == "burst":
            for _ in range(self._rng.randint(1, 60)):
                caller.babble()

    def summary(self) -> str:
        caller = self._caller
        assert caller is not None
        kind = "device" if self._is_device else "client"
        kind += " of a bot that talks" if self._talks else " of an echo"
        heard = [len(each) for each in caller.heard]
        return (
            f"{self._number} {kind}: {', '.join(self._deeds)}; said {len(caller.said)}, "
            f"heard {heard}, status {caller.status}, closed {caller.close_codes}"
        )

    def problems(self) -> list[str]:
        """Return what must not be."""
        caller = self._caller
        assert caller is not None
        found = []
        if caller.num_losses != 1:
            found.append(f"the connection was lost {caller.num_losses} times")
        if len(caller.close_codes) > 1:
            found.append(f"close frames {caller.close_codes}")
        found += self._faults_of_talk(caller) if self._talks else self._faults_of_echo(caller)
        return [f"caller {self._number}: {each}" for each in found]

    def _faults_of_echo(self, caller: VirtualCaller) -> list[str]:
        heard = _without_padding(b"".join(caller.heard))
        said = _without_padding(bytes(caller.said))
        if not said.startswith(heard):
            return [f"hears what it has not said, {len(heard)} bytes"]
        if self._heard_to_the_end and heard != said:
            return [f"hears {len(heard)} bytes of {len(said)}"]
        return []

    def _faults_of_talk(self, caller: VirtualCaller) -> list[str]:
        utterances = [
            speech(self._seed, self._number, index, UTTERANCE_SECS)
            for index in range(self._num_wishes)
        ]
        heard = _without_padding(b"".join(caller.heard))
        for utterance in utterances:
            num_heard = _common_length(heard, utterance)
            heard = heard[num_heard:]
        if heard:
            return [f"hears {len(heard)} bytes out of order"]
        if self._heard_to_the_end and num_heard < len(_without_padding(utterances[-1])):
            return [f"hears {num_heard} bytes of the last utterance's {len(utterances[-1])}"]
        return []


def _without_padding(pcm: bytes) -> bytes:
    """Return audio without the silence that fills a device's last message of what is said."""
    pcm = pcm.replace(bytes(CHUNK_BYTES - BYTES_PER_SAMPLE), b"")
    while pcm.endswith(bytes(BYTES_PER_SAMPLE)):
        pcm = pcm[:-BYTES_PER_SAMPLE]
    return pcm


def _common_length(first: bytes, second: bytes) -> int:
    """Return how many bytes are the same at the beginning of both, a chunk at a time."""
    for at in range(0, len(first), CHUNK_BYTES):
        if not second.startswith(first[at : at + CHUNK_BYTES], at):
            return at
    return len(first)
