import numpy as np
import pytest

from voicewire.cli.bench.dialect import Audio, ProtobufDialect
from voicewire.cli.bench.echo import MAX_UNKNOWN_MESSAGES, EchoCaller, EchoScript
from voicewire.cli.bench.plan import FRAME_BYTES, FRAME_SECS, SAMPLE_RATE, Window
from voicewire.cli.bench.speech import stamped, wire_messages
from voicewire.cli.bench.stamps import StampTable

DIALECT = ProtobufDialect()
NUM_FRAMES = 50
RNG = np.random.default_rng(1)
FRAMES = stamped(
    [RNG.integers(-9000, 9000, FRAME_BYTES // 2).astype("<i2").tobytes() for _ in range(NUM_FRAMES)]
)
SCRIPT = EchoScript(wire_messages(FRAMES, DIALECT), StampTable(FRAMES), DIALECT, 0.06)
BEGIN = 1000.0


def caller(*, first_frame: int = 0, num_sent: int = 0) -> EchoCaller:
    a_caller = EchoCaller(SCRIPT, first_frame=first_frame)
    a_caller.begin(BEGIN)
    for _ in range(num_sent):
        a_caller.next_message()
    return a_caller


def due(frame: int) -> float:
    return BEGIN + frame * FRAME_SECS


def echo(a_caller: EchoCaller, pcm: bytes, *, now: float, sample_rate: int = SAMPLE_RATE) -> None:
    a_caller.take(DIALECT.audio_message(Audio(pcm, sample_rate, 1)), now=now)


def spoken(start: int, end: int, first_frame: int = 0) -> bytes:
    """Return the caller's own frames `start` .. `end` - 1."""
    return b"".join(FRAMES[(first_frame + k) % NUM_FRAMES] for k in range(start, end))


def test_latency_counts_from_the_schedule_of_the_last_frame_in_a_message() -> None:
    a_caller = caller(num_sent=20)
    for start in range(0, 20, 2):
        echo(a_caller, spoken(start, start + 2), now=due(start + 1) + 0.015)
    heard = a_caller.heard(Window(BEGIN, due(20)))
    assert heard.matched_by == "stamps"
    assert heard.latency_secs == pytest.approx([0.015] * 10)
    assert heard.due_at == pytest.approx([due(k) for k in range(1, 20, 2)])
    assert (heard.messages, heard.lost_frames, heard.glitches) == (10, 0, 0)


def test_a_caller_goes_round_and_round_its_recording() -> None:
    a_caller = caller(first_frame=45)
    for start in range(0, 130, 2):
        a_caller.next_message()
        a_caller.next_message()
        echo(a_caller, spoken(start, start + 2, 45), now=due(start + 1) + 0.01)
    heard = a_caller.heard(Window(BEGIN, due(130)))
    assert heard.latency_secs == pytest.approx([0.01] * 65)


def test_frames_that_are_dropped_are_lost_and_not_late() -> None:
    a_caller = caller(num_sent=20)
    for start in (*range(0, 8, 2), *range(12, 20, 2)):
        echo(a_caller, spoken(start, start + 2), now=due(start + 1) + 0.015)
    heard = a_caller.heard(Window(BEGIN, due(20)))
    assert heard.lost_frames == 4
    assert heard.latency_secs == pytest.approx([0.015] * 8)
    assert heard.glitches == 0


def test_a_frame_is_found_after_a_cut_in_its_middle() -> None:
    a_caller = caller(num_sent=10)
    echo(a_caller, spoken(0, 2), now=due(1) + 0.01)
    echo(a_caller, spoken(2, 8)[100:], now=due(7) + 0.01)
    heard = a_caller.heard(Window(BEGIN, due(8)))
    assert heard.latency_secs == pytest.approx([0.01, 0.01])
    assert heard.lost_frames == 0  # 100 bytes are no whole frame


def test_what_never_comes_back_is_lost() -> None:
    a_caller = caller(num_sent=10)
    echo(a_caller, spoken(0, 10), now=due(9) + 0.01)
    for _ in range(50):
        a_caller.next_message()
    heard = a_caller.heard(Window(due(5), due(50)))
    assert heard.lost_frames == 40


def test_messages_shorter_than_a_frame_complete_it_in_turn() -> None:
    a_caller = caller(num_sent=4)
    audio = spoken(0, 4)
    for number, start in enumerate(range(0, len(audio), 320)):
        echo(a_caller, audio[start : start + 320], now=due(number // 2) + 0.005)
    heard = a_caller.heard(Window(BEGIN, due(4)))
    assert heard.latency_secs == pytest.approx([0.005] * 4)
    assert heard.messages == 8


def test_what_was_said_in_the_window_counts_however_late_it_comes() -> None:
    a_caller = caller(num_sent=20)
    for start in range(0, 20, 2):
        echo(a_caller, spoken(start, start + 2), now=due(start + 1) + 0.3)
    heard = a_caller.heard(Window(due(10), due(20)))
    assert heard.latency_secs == pytest.approx([0.3] * 5)
    assert heard.lost_frames == 0


def test_a_stall_in_continuous_audio_is_a_glitch() -> None:
    a_caller = caller(num_sent=40)
    for start in range(0, 40, 2):
        late_secs = 0.2 if start >= 20 else 0.0
        echo(a_caller, spoken(start, start + 2), now=due(start + 1) + late_secs)
    heard = a_caller.heard(Window(BEGIN, due(60)))
    assert heard.glitches == 1
    assert a_caller.heard(Window(BEGIN, due(20))).glitches == 0


def test_a_server_that_resamples_is_matched_by_counting() -> None:
    a_caller = caller(num_sent=20)
    for start in range(0, 20, 2):
        echo(a_caller, bytes(2 * 960), now=due(start + 1) + 0.02, sample_rate=24000)
    heard = a_caller.heard(Window(BEGIN, due(20)))
    assert heard.matched_by == "counting"
    assert heard.latency_secs == pytest.approx([0.02] * 10)


def test_a_server_that_changes_samples_is_matched_by_counting() -> None:
    a_caller = caller(num_sent=100)
    for start in range(0, 100, 2):
        echo(a_caller, bytes(2 * FRAME_BYTES), now=due(start + 1) + 0.02)
    heard = a_caller.heard(Window(BEGIN, due(100)))
    assert heard.matched_by == "counting"
    assert heard.latency_secs == pytest.approx([0.02] * (50 - MAX_UNKNOWN_MESSAGES + 1))


def test_messages_without_audio_are_counted() -> None:
    a_caller = caller(num_sent=1)
    a_caller.take("text", now=due(0))
    a_caller.take(b"\xff\xff", now=due(0))
    heard = a_caller.heard(Window(BEGIN, due(1)))
    assert (heard.messages, heard.matched_by, heard.lost_frames) == (2, "", 1)
    assert not heard.jitter_secs.size
