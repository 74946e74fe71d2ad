"""Pacer, playout, the way out and a caller's session, in whatever order things happen."""

import random
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.state_machines import FEW
from tests.transports.fakes import RATE, Exit
from voicewire.audio.pcm import num_bytes
from voicewire.frames import OutputAudioRawFrame
from voicewire.testing import VirtualClock
from voicewire.transports.caller import CallerSession
from voicewire.transports.pacing import MAX_CATCH_UP_SECS, MIN_MARGIN_SECS, Pacer
from voicewire.transports.player import Player
from voicewire.transports.playout import Playout, PlayoutReport

EPSILON = 1e-6
MOMENTS = st.sampled_from([0.0, 0.001, 0.02, 0.04, 0.3, 1.5, 30.0])
CHUNKS = st.sampled_from([0.0025, 0.02, 0.04, 0.2])


class PacerStates(RuleBasedStateMachine):
    """The model: a client's buffer, which plays as time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.lead_secs = 0.08
        self.pacer = Pacer(self.lead_secs)
        self.sent_secs = self.dropped_secs = 0.0
        self.buffered_secs = self.played_secs = 0.0
        self.has_sent = False

    @rule(secs=MOMENTS)
    def time_passes(self, secs: float) -> None:
        self.now += secs
        played_secs = min(secs, self.buffered_secs)
        self.buffered_secs -= played_secs
        self.played_secs += played_secs

    @rule(lead_secs=st.sampled_from([0.0, 0.08, 1.0]))
    def lead_changes(self, lead_secs: float) -> None:
        self.pacer.lead_secs = self.lead_secs = lead_secs

    @rule()
    def utterance_begins(self) -> None:
        self.pacer.begin(now=self.now)

    @rule(duration_secs=CHUNKS)
    def much_waits(self, duration_secs: float) -> None:
        """Send a piece of a long text when it is due: never further ahead than the lead."""
        self.send_when_due(duration_secs, waiting_secs=1000.0)
        assert self.buffered_secs <= self.ahead_secs(duration_secs) + EPSILON

    @rule(duration_secs=CHUNKS, num_pieces=st.integers(1, 10))
    def little_waits(self, duration_secs: float, num_pieces: int) -> None:
        """Send pieces of a live source: it is let catch up, so far and no further."""
        for _ in range(num_pieces):
            self.send_when_due(duration_secs, waiting_secs=duration_secs)
            most = self.ahead_secs(duration_secs) + MAX_CATCH_UP_SECS
            assert self.buffered_secs <= most + EPSILON

    def send_when_due(self, duration_secs: float, *, waiting_secs: float) -> None:
        delay_secs = self.pacer.send_delay(
            now=self.now, duration_secs=duration_secs, waiting_secs=waiting_secs
        )
        assert delay_secs >= 0.0
        assert delay_secs == 0.0 or self.has_sent, "the first piece waits"
        assert delay_secs <= self.buffered_secs + EPSILON, "the client runs dry meanwhile"
        self.time_passes(delay_secs)
        again = self.pacer.send_delay(
            now=self.now, duration_secs=duration_secs, waiting_secs=waiting_secs
        )
        assert again <= EPSILON, "what was due is not due any more"
        self.pacer.sent(now=self.now, duration_secs=duration_secs)
        self.buffered_secs += duration_secs
        self.sent_secs += duration_secs
        self.has_sent = True

    def ahead_secs(self, duration_secs: float) -> float:
        return max(self.lead_secs, duration_secs + MIN_MARGIN_SECS)

    @rule()
    def client_drops_all(self) -> None:
        self.pacer.flush(now=self.now)
        self.dropped_secs += self.buffered_secs
        self.buffered_secs = 0.0
        self.has_sent = True

    @invariant()
    def it_knows_what_the_client_has(self) -> None:
        assert abs(self.pacer.buffered_secs(now=self.now) - self.buffered_secs) < EPSILON
        total_secs = self.played_secs + self.buffered_secs + self.dropped_secs
        assert abs(total_secs - self.sent_secs) < EPSILON

    @invariant()
    def a_client_that_plays_is_not_dry(self) -> None:
        is_dry = self.pacer.dry_secs(now=self.now) > EPSILON
        assert not (is_dry and self.buffered_secs > EPSILON)


class PlayoutStates(RuleBasedStateMachine):
    """The model: a client that begins late, plays what it has, and says so, or lies."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.playout = Playout()
        self.pacer = Pacer(1.0)
        self.sent_secs = 0.0
        self.played_secs = 0.0
        self.starts_in_secs = 0.06
        self.is_trusted = True
        self.last_secs = 0.0
        self.has_reported = False

    def position_secs(self) -> float:
        buffered_secs = self.pacer.buffered_secs(now=self.now)
        return self.playout.position_secs(now=self.now, buffered_secs=buffered_secs)

    @rule(secs=MOMENTS)
    def time_passes(self, secs: float) -> None:
        self.now += secs
        if self.sent_secs:
            waited_secs = min(secs, self.starts_in_secs)
            self.starts_in_secs -= waited_secs
            self.played_secs = min(self.sent_secs, self.played_secs + secs - waited_secs)

    @rule(secs=CHUNKS)
    def audio_is_sent(self, secs: float) -> None:
        self.playout.sent(secs)
        self.pacer.sent(now=self.now, duration_secs=secs)
        self.sent_secs += secs

    @rule()
    def utterance_begins(self) -> None:
        self.playout.begin()
        begun = self.playout.played_secs(
            now=self.now, buffered_secs=self.pacer.buffered_secs(now=self.now)
        )
        assert begun <= EPSILON, "something of the utterance has been heard already"

    @precondition(lambda self: not self.starts_in_secs)
    @rule()
    def client_reports(self) -> None:
        self.report(self.playout.stream_id, self.played_secs)
        if not self.has_reported:
            self.last_secs = 0.0  # It knows better than the schedule.
        self.has_reported = True

    @rule(played_secs=st.floats(0.0, 1e6), buffered_secs=st.floats(0.0, 1e6))
    def client_lies(self, played_secs: float, buffered_secs: float) -> None:
        report = PlayoutReport(self.playout.stream_id, played_secs, buffered_secs)
        self.playout.reported(report, now=self.now)
        self.is_trusted = False

    @rule(age=st.integers(1, 5))
    def client_reports_of_another_stream(self, age: int) -> None:
        before_secs = self.position_secs()
        self.report(self.playout.stream_id - age, 1000.0)
        self.report(self.playout.stream_id + age, 1000.0)
        assert self.position_secs() == before_secs

    def report(self, stream_id: int, played_secs: float) -> None:
        buffered_secs = self.sent_secs - self.played_secs
        self.playout.reported(PlayoutReport(stream_id, played_secs, buffered_secs), now=self.now)

    @rule()
    def client_drops_all(self) -> None:
        before_id = self.playout.stream_id
        assert self.playout.flush() == before_id + 1
        self.pacer.flush(now=self.now)
        self.sent_secs = self.played_secs = self.last_secs = 0.0
        self.starts_in_secs = 0.06
        self.is_trusted, self.has_reported = True, False

    @invariant()
    def nothing_is_heard_that_was_not_sent(self) -> None:
        assert -EPSILON <= self.position_secs() <= self.sent_secs + EPSILON
        assert abs(self.playout.sent_secs - self.sent_secs) < EPSILON

    @invariant()
    def what_was_heard_stays_heard(self) -> None:
        if self.is_trusted:
            assert self.position_secs() >= self.last_secs - EPSILON
            self.last_secs = self.position_secs()


class WayOutStates(RuleBasedStateMachine):
    """A bot that speaks and is interrupted, to a client that flushes, and reads, or does not."""

    def __init__(self) -> None:
        super().__init__()
        self.way = Exit(audio_out_max_lag_secs=1000.0)
        self.rng = random.Random(1)  # noqa: S311 - no secret
        self.said = bytearray()
        self.position = 0
        """Of what was said: what is sent next begins here."""
        self.num_seen = 0
        self.num_while_paused: int | None = None
        self.can_flush = False
        self.num_flushes = 0
        self.is_closed = False

    @precondition(lambda self: not self.said and not self.is_closed)
    @rule()
    def client_can_flush(self) -> None:
        def flush(stream_id: int) -> None:
            self.num_flushes += 1
            assert stream_id == self.num_flushes

        self.can_flush = True
        self.way.outbound.play_on(Player(flush=flush))

    @rule(secs=st.sampled_from([0.01, 0.04, 0.05, 1.0]))
    def bot_speaks(self, secs: float) -> None:
        pcm = self.rng.randbytes(num_bytes(secs, RATE, 1))
        self.said += pcm
        self.way.outbound.put(OutputAudioRawFrame(pcm, RATE, 1))

    @rule(secs=MOMENTS)
    def time_passes(self, secs: float) -> None:
        self.way.clock.advance(secs)

    @rule(secs=st.sampled_from([0.1, 0.7, 3.0]))
    def event_loop_stands_still(self, secs: float) -> None:
        self.way.clock.stall(secs)

    @precondition(lambda self: not self.is_closed)
    @rule()
    def caller_interrupts(self) -> None:
        self.way.interrupt()
        self.what_is_sent_was_said_without_gap_or_repeat()
        self.position = len(self.said)

    @precondition(lambda self: not self.way.wire.is_writing_paused and not self.is_closed)
    @rule()
    def client_stops_reading(self) -> None:
        self.way.pause_writing()
        self.num_while_paused = len(self.way.wire.sent)

    @precondition(lambda self: self.way.wire.is_writing_paused and not self.is_closed)
    @rule()
    def client_reads_again(self) -> None:
        self.num_while_paused = None
        self.way.resume_writing()

    @precondition(lambda self: not self.is_closed)
    @rule()
    def caller_leaves(self) -> None:
        self.way.outbound.close()
        self.is_closed = True
        self.num_while_paused = len(self.way.wire.sent)

    @invariant()
    def what_is_sent_was_said_without_gap_or_repeat(self) -> None:
        sent = self.way.wire.audio
        for each in sent[self.num_seen :]:
            assert self.said.startswith(each.pcm, self.position)
            self.position += len(each.pcm)
        self.num_seen = len(sent)

    @invariant()
    def nothing_is_sent_while_nobody_reads(self) -> None:
        if self.num_while_paused is not None:
            assert len(self.way.wire.sent) == self.num_while_paused
        assert not self.way.reports.errors

    @invariant()
    def no_more_than_the_lead_is_ahead(self) -> None:
        until = 0.0
        for each in self.way.wire.audio:
            until = max(until, each.at) + each.secs
        if not self.can_flush:
            assert until - self.way.clock.now() <= 0.08 + MAX_CATCH_UP_SECS + EPSILON

    @invariant()
    def the_bot_starts_and_stops_in_turns(self) -> None:
        turns = [each for each in self.way.reports.log if each in ("started", *STOPS)]
        assert turns[::2] == ["started"] * len(turns[::2])
        assert all(each in STOPS for each in turns[1::2])

    @invariant()
    def no_more_is_heard_than_was_sent(self) -> None:
        total_secs = sum(played_secs for _, played_secs in self.way.reports.stops)
        assert total_secs <= self.way.wire.audio_secs + EPSILON

    @invariant()
    def few_timers_wait(self) -> None:
        assert self.way.clock.num_timers <= (0 if self.is_closed else 2)


STOPS = ("stopped", "interrupted")


@dataclass
class _WayIn:
    """Stands in for what takes the messages: each counts as much as was set."""

    counts_secs: float = 0.0
    num_taken: int = 0
    num_closed: int = 0

    def take(self, message: bytes | str) -> float:
        assert not self.num_closed, "a message behind the end"
        self.num_taken += 1
        return self.counts_secs

    def close(self) -> None:
        self.num_closed += 1


class CallerStates(RuleBasedStateMachine):
    """A session whose caller speaks, falls silent, is too fast, and leaves."""

    TIMEOUT_SECS = 10.0
    MAX_AHEAD_SECS = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.way_in = _WayIn()
        self.way_out = Exit()
        self.rests: list[float] = []
        self.num_timeouts = self.num_expected = 0
        self.heard_at = self.clock.now()
        self.is_told = False
        self.recorded_until = self.clock.now()
        self.num_messages = 0
        self.is_closed = False
        self.session = CallerSession(
            client=object(),  # type: ignore[arg-type]  # only passed on
            inbound=self.way_in,  # type: ignore[arg-type]
            outbound=self.way_out.outbound,
            clock=self.clock,
            session_timeout_secs=self.TIMEOUT_SECS,
            on_timeout=self.timed_out,
            max_ahead_secs=self.MAX_AHEAD_SECS,
            rest=self.rests.append,
        )

    def timed_out(self) -> None:
        assert self.clock.now() >= self.heard_at + self.TIMEOUT_SECS - EPSILON, "too early"
        self.num_timeouts += 1

    @precondition(lambda self: not self.is_closed)
    @rule(secs=st.sampled_from([0.005, 0.02, 1.0, 30.0]))
    def message_comes(self, secs: float) -> None:
        self.way_in.counts_secs = secs
        self.rests.clear()
        self.session.message_received(b"")
        self.num_messages += 1
        now = self.heard_at = self.clock.now()
        self.is_told = False
        self.recorded_until = max(self.recorded_until, now) + secs
        ahead_secs = self.recorded_until - now - self.MAX_AHEAD_SECS
        assert bool(self.rests) == (ahead_secs > EPSILON)
        if self.rests:
            assert 0.0 < self.rests[0] <= ahead_secs + EPSILON
            self.recorded_until = now + self.MAX_AHEAD_SECS + self.rests[0]

    @rule(secs=st.sampled_from([0.02, 0.5, 9.99, 10.0, 25.0]))
    def time_passes(self, secs: float) -> None:
        self.clock.advance(secs)
        is_silent = self.clock.now() >= self.heard_at + self.TIMEOUT_SECS - EPSILON
        if is_silent and not self.is_told and not self.is_closed:
            self.is_told = True
            self.num_expected += 1

    @precondition(lambda self: not self.is_closed)
    @rule()
    def caller_leaves(self) -> None:
        self.session.connection_closed(1000, "")
        self.is_closed = True

    @invariant()
    def each_silence_is_told_once(self) -> None:
        assert self.num_timeouts == self.num_expected

    @invariant()
    def every_message_is_taken_and_the_end_is_told_once(self) -> None:
        assert self.way_in.num_taken == self.num_messages
        assert self.way_in.num_closed == self.is_closed

    @invariant()
    def nothing_is_left_behind_the_end(self) -> None:
        assert self.clock.num_timers == (not self.is_closed and not self.is_told)


TestPacerStates = PacerStates.TestCase
TestPacerStates.settings = FEW
TestPlayoutStates = PlayoutStates.TestCase
TestPlayoutStates.settings = FEW
TestWayOutStates = WayOutStates.TestCase
TestWayOutStates.settings = FEW
TestCallerStates = CallerStates.TestCase
TestCallerStates.settings = FEW
