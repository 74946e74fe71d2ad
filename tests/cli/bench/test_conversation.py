import pytest

from voicewire.cli.bench.conversation import (
    LISTEN_SECS,
    NO_ANSWER_SECS,
    START_SPREAD_SECS,
    ConversationCaller,
    ConversationScript,
    Phrase,
)
from voicewire.cli.bench.dialect import Audio, ProtobufDialect
from voicewire.cli.bench.plan import FRAME_SECS, SAMPLE_RATE, Window
from voicewire.cli.call.speech_span import SpeechSpan
from voicewire.serializers.protos import frames_pb2 as proto

SILENCE = b"silence"
SHORT = Phrase([b"a"] * 50, SpeechSpan(0.1, 0.9))
LONG = Phrase([b"b"] * 100, SpeechSpan(0.0, 2.0))
SCRIPT = ConversationScript([SHORT, LONG], SILENCE, ProtobufDialect(), 0.06)
CHUNK = ProtobufDialect().audio_message(Audio(bytes(1280), SAMPLE_RATE, 1))
HEARD = proto.Frame(
    message=proto.MessageFrame(data='{"label": "rtvi-ai", "type": "user-started-speaking"}')
).SerializeToString()
ALWAYS = Window(0.0, 1e9)


class Call:
    """A caller and the time, which goes from frame to frame."""

    def __init__(self, number: int = 0) -> None:
        self.caller = ConversationCaller(SCRIPT, number=number)
        self.caller.begin(0.0)
        self.num_sent = 0

    @property
    def now(self) -> float:
        return self.num_sent * FRAME_SECS

    def send(self, secs: float) -> set[bytes]:
        """Let it speak for a while; return what it sent."""
        sent = set()
        for _ in range(round(secs / FRAME_SECS)):
            sent.add(self.caller.next_message())
            self.num_sent += 1
        return sent

    def play(self, secs: float) -> set[bytes]:
        """Let it speak while it is answered."""
        sent = set()
        for _ in range(round(secs / 0.04)):
            self.caller.take(CHUNK, now=self.now)
            sent |= self.send(0.04)
        return sent


def test_callers_do_not_all_begin_at_once() -> None:
    starts = []
    for number in range(8):
        call = Call(number)
        while call.send(FRAME_SECS) == {SILENCE}:
            pass
        starts.append(call.now)
    gaps = [b - a for a, b in zip(sorted(starts), sorted(starts)[1:], strict=False)]
    assert min(gaps) > START_SPREAD_SECS / 16
    assert max(starts) <= START_SPREAD_SECS + FRAME_SECS


def test_a_caller_listens_and_then_cuts_the_answer_off() -> None:
    call = Call()
    assert call.send(1.0) == {b"a"}
    assert call.send(0.6) == {SILENCE}
    assert call.play(LISTEN_SECS) == {SILENCE}
    assert call.play(1.0) == {b"b"}


def test_a_caller_who_is_not_answered_tries_again() -> None:
    call = Call()
    call.send(1.0)
    # It waits from the end of its voice on, which is before that of the recording.
    assert call.send(NO_ANSWER_SECS - 0.1 - FRAME_SECS) == {SILENCE}
    call.send(2 * FRAME_SECS)
    assert call.send(1.0) == {b"b"}
    assert call.caller.heard(ALWAYS).turns[0].is_unanswered


def test_a_turn_is_measured_from_when_the_voice_was_heard() -> None:
    call = Call()
    call.send(0.4)
    call.caller.take(HEARD, now=call.now)
    call.send(1.3)
    call.play(0.4)
    (turn,) = call.caller.heard(ALWAYS).turns
    # The recording began one frame before its first message; its voice 0.1 s after that.
    assert turn.vad_delay_secs == pytest.approx(0.4 - 0.1 + FRAME_SECS)
    assert turn.response_secs == pytest.approx(1.7 - 0.9 + FRAME_SECS)


def test_a_stall_in_the_answer_is_a_glitch_and_its_end_is_none() -> None:
    call = Call()
    call.send(1.5)
    call.play(0.8)
    assert call.caller.heard(ALWAYS).glitches == 0
    call.send(0.5)
    call.play(0.4)
    assert call.caller.heard(ALWAYS).glitches == 1


def test_what_the_interruption_leaves_over_is_no_glitch() -> None:
    call = Call()
    call.send(1.5)
    call.play(LISTEN_SECS + 0.2)
    call.caller.take(HEARD, now=call.now)
    call.send(2.5)
    call.play(1.0)
    heard = call.caller.heard(ALWAYS)
    assert (len(heard.turns), heard.glitches) == (2, 0)


def test_only_turns_that_begin_in_the_window_count() -> None:
    call = Call()
    call.send(1.5)
    call.play(LISTEN_SECS + 0.2)
    assert len(call.caller.heard(Window(0.5, 100.0)).turns) == 1
    assert call.caller.heard(Window(0.0, 1.5)).messages == 0
