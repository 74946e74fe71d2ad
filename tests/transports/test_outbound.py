"""The way out, in virtual time: pacing, order, ends, interruptions, clients that do not read."""

import io
import logging
import wave

import numpy as np
import pytest

from tests.transports.fakes import (
    RATE,
    Exit,
    largest_step,
    message,
    samples,
    tone,
    words,
)
from voicewire.errors import FrameEncodeError
from voicewire.frames import (
    EndFrame,
    Frame,
    HeartbeatFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    StopFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSSentenceFrame,
    TTSStartedFrame,
    TTSTextFrame,
)
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.transports.player import PIPECAT_JS, Player
from voicewire.transports.playout import PlayoutReport

LEAD_SECS = 0.08
TIMER_SECS = 0.001
CHUNK_SECS = 0.04


# Pacing.


class FixedSerializer(ProtobufFrameSerializer):
    """A wire whose messages have one length."""

    @property
    def message_secs(self) -> float:
        return 0.06


def test_a_wire_of_fixed_messages_gets_a_message_at_a_time_and_silence_to_fill_the_last() -> None:
    way = Exit(serializer=FixedSerializer(), audio_out_10ms_chunks=2)
    said = way.say(1.0)
    way.clock.advance(2.0)
    assert [round(sent.secs, 6) for sent in way.wire.audio[:16]] == [0.06] * 16
    assert way.wire.pcm == said + bytes(2 * (round(0.06 * RATE) - 1))


def test_what_a_resampler_brings_at_last_is_no_more_than_a_message_either() -> None:
    way = Exit(serializer=FixedSerializer())
    way.say(1.0, sample_rate=48000)
    way.clock.advance(2.0)
    assert max(sent.secs for sent in way.wire.audio) == pytest.approx(0.06)
    assert way.wire.audio_secs == pytest.approx(1.06, abs=0.001)


def test_the_first_audio_is_sent_at_once_up_to_the_lead() -> None:
    way = Exit()
    way.say(1.0)
    assert [round(sent.secs, 6) for sent in way.wire.audio] == [CHUNK_SECS] * 2


@pytest.mark.parametrize("num_10ms", [1, 2, 4, 10])
def test_chunks_have_the_length_that_was_asked_for(num_10ms: int) -> None:
    way = Exit(audio_out_10ms_chunks=num_10ms)
    way.say(0.4)
    way.clock.advance(2.0)
    assert {round(sent.secs, 6) for sent in way.wire.audio} == {num_10ms * 0.01}


@pytest.mark.parametrize("lead_secs", [0.0, 0.04, 0.08, 0.12, 1.0])
def test_the_client_is_kept_ahead_by_the_lead_and_never_by_more(lead_secs: float) -> None:
    way = Exit(audio_out_lead_secs=lead_secs)
    way.say(5.0)
    for _ in range(300):
        way.clock.advance(0.01)
        assert way.lead_secs <= max(lead_secs, CHUNK_SECS + 0.02) + TIMER_SECS
        assert way.lead_secs >= lead_secs - CHUNK_SECS - TIMER_SECS


def test_audio_does_not_drift_over_ten_minutes() -> None:
    way = Exit(audio_out_max_queued_secs=700, audio_out_10ms_chunks=10)
    way.say(600.0)
    way.clock.advance(599.0)
    assert way.lead_secs == pytest.approx(LEAD_SECS, abs=0.1)
    assert way.stats.underruns == 0


def test_timers_that_are_late_do_not_add_up() -> None:
    way = Exit()
    rng = np.random.default_rng(1)
    way.say(60.0)
    for _ in range(1000):
        way.clock.call_later(0.0, lambda: way.clock.stall(float(rng.uniform(0.0, 0.03))))
        way.clock.advance(0.05)
    assert way.stats.underruns == 0
    assert way.lead_secs >= LEAD_SECS - CHUNK_SECS - 0.03


def test_after_a_stall_of_the_event_loop_the_lead_is_restored_at_once() -> None:
    way = Exit()
    way.say(5.0)
    way.clock.advance(1.0)
    sent_before_secs = way.wire.audio_secs
    way.clock.stall(0.5)
    way.clock.advance(0.0)
    assert way.wire.audio_secs - sent_before_secs == pytest.approx(LEAD_SECS)
    assert way.stats.underruns == 1
    way.clock.advance(2.0)
    # The client lost what the stall was longer than its buffer, and not a sample more.
    assert way.stats.underruns == 1
    assert way.lead_secs == pytest.approx(LEAD_SECS - 0.5 + 0.04, abs=CHUNK_SECS + TIMER_SECS)


def test_a_source_that_trickles_in_real_time_is_passed_on_without_waiting() -> None:
    way = Exit()
    said = b""
    for _ in range(100):
        said += way.say(0.02)
        # What came is sent now, or as soon as the client is about to run dry.
        way.clock.advance(0.02)
        assert len(said) - len(way.wire.pcm) <= 640
    way.clock.advance(1.0)
    assert way.wire.pcm == said
    assert way.stats.underruns == 0


def test_a_trickling_source_of_another_rate_has_no_clicks() -> None:
    way = Exit(sample_rate=24000)
    for index in range(100):
        pcm = tone(0.02, start_secs=index * 0.02)
        way.outbound.put(OutputAudioRawFrame(pcm, RATE, 1))
        way.clock.advance(0.02)
    way.clock.advance(1.0)
    assert way.wire.audio_secs == pytest.approx(2.0)
    smooth = 8000 * 2 * np.pi * 440 / 24000
    assert largest_step(way.wire.pcm[1000:-1000]) <= 1.05 * smooth


def test_small_pieces_are_joined_into_whole_chunks_while_the_client_has_enough() -> None:
    way = Exit()
    for _ in range(40):
        way.say(0.01)
    way.clock.advance(1.0)
    sizes = [round(sent.secs, 6) for sent in way.wire.audio]
    assert set(sizes[4:-1]) == {CHUNK_SECS}
    assert sum(sizes) == pytest.approx(0.4)


def test_times_that_the_client_runs_dry_in_mid_utterance_are_counted() -> None:
    way = Exit()
    way.say(0.2)
    way.clock.advance(0.4)
    way.say(0.2)
    way.clock.advance(2.0)
    assert way.stats.underruns == 1


def test_the_pause_between_two_answers_is_no_underrun() -> None:
    way = Exit()
    for _ in range(3):
        way.say(0.2)
        way.clock.advance(3.0)
    assert way.stats.underruns == 0
    assert way.reports.stops == [(False, pytest.approx(0.2))] * 3


def test_two_seconds_of_closing_silence_are_not_one_message() -> None:
    way = Exit()
    way.outbound.put(OutputAudioRawFrame(bytes(2 * 2 * RATE), RATE, 1))
    way.outbound.put(EndFrame())
    way.clock.advance(1.0)
    assert max(sent.secs for sent in way.wire.audio) == pytest.approx(CHUNK_SECS)
    assert way.lead_secs <= LEAD_SECS + TIMER_SECS


# Formats.


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_what_is_sent_lasts_as_long_as_what_was_said(sample_rate: int, num_channels: int) -> None:
    way = Exit(sample_rate=sample_rate, audio_out_channels=num_channels)
    way.say(1.0, sample_rate=22050)
    way.outbound.put(EndFrame())
    way.clock.advance(0.5)
    assert way.lead_secs == pytest.approx(LEAD_SECS, abs=CHUNK_SECS + TIMER_SECS)
    way.clock.advance(1.0)
    assert {sent[3:5] for sent in way.wire.audio} == {(sample_rate, num_channels)}
    assert way.wire.audio_secs == pytest.approx(1.0, abs=0.001)


def test_stereo_holds_the_same_sound_on_both_sides() -> None:
    way = Exit(audio_out_channels=2)
    pcm = way.say(0.2)
    way.clock.advance(1.0)
    assert np.array_equal(samples(way.wire.pcm)[::2], samples(pcm))
    assert np.array_equal(samples(way.wire.pcm)[1::2], samples(pcm))


def test_sources_of_different_rates_follow_each_other_whole() -> None:
    way = Exit()
    for sample_rate in (24000, 8000, 16000, 48000):
        way.say(0.25, sample_rate=sample_rate)
    way.outbound.put(EndFrame())
    way.clock.advance(3.0)
    assert way.wire.audio_secs == pytest.approx(1.0, abs=0.002)


def test_a_wav_header_makes_each_message_a_complete_file() -> None:
    way = Exit(sample_rate=24000, audio_out_channels=2, add_wav_header=True)
    pcm = way.say(0.1, sample_rate=24000, num_channels=2)
    way.clock.advance(1.0)
    content = b""
    for sent in way.wire.audio:
        with wave.open(io.BytesIO(sent.pcm)) as file:
            assert (file.getframerate(), file.getnchannels()) == (24000, 2)
            content += file.readframes(file.getnframes())
    assert content == pcm
    assert len(way.wire.audio) == 3


def test_without_a_wav_header_messages_are_bare_samples() -> None:
    way = Exit()
    pcm = way.say(0.1)
    way.clock.advance(1.0)
    assert way.wire.pcm == pcm


# Order.


def test_frames_keep_their_place_in_the_audio() -> None:
    way = Exit()
    way.say(0.3)
    way.outbound.put(words("one"))
    way.outbound.put(message("between"))
    way.say(0.3)
    way.clock.advance(2.0)
    place = [sent.kind for sent in way.wire.sent].index("message")
    before = sum(sent.secs for sent in way.wire.sent[:place])
    assert before == pytest.approx(0.3)
    assert way.wire.sent[place].at - way.began_at == pytest.approx(0.3 - LEAD_SECS, abs=CHUNK_SECS)
    assert way.wire.audio_secs == pytest.approx(0.6)
    assert way.reports.log.index("TTSTextFrame") == way.reports.log.index("OutputAudioRawFrame") + 8


def test_messages_without_audio_around_them_go_out_at_once() -> None:
    way = Exit()
    for text in "abc":
        way.outbound.put(message(text))
    assert [sent.text for sent in way.wire.sent] == [f'{{"text": "{text}"}}' for text in "abc"]


def test_an_urgent_message_goes_ahead_of_the_audio_that_waits() -> None:
    way = Exit()
    way.say(1.0)
    way.outbound.send_now(OutputTransportMessageUrgentFrame({"now": True}))
    assert way.wire.sent[-1].kind == "message"
    assert way.elapsed_secs == 0.0


def test_a_frame_that_comes_while_another_goes_out_has_its_turn_after_it() -> None:
    way = Exit()

    def answer(frame: Frame) -> None:
        if isinstance(frame, TextFrame):
            way.outbound.put(message("answer"))

    way.reports.when_sent = answer
    way.outbound.put(words("question"))
    assert way.reports.log == ["TTSTextFrame", "OutputTransportMessageFrame"]


def test_frames_that_bring_each_other_in_do_not_nest() -> None:
    way = Exit()

    def bring_another_in(frame: Frame) -> None:
        if len(way.reports.sent) < 5000:
            way.outbound.put(message("next"))

    way.reports.when_sent = bring_another_in
    way.outbound.put(message("first"))
    assert len(way.wire.sent) == 5000


def test_one_timer_is_enough() -> None:
    way = Exit()
    for _ in range(100):
        way.say(0.02)
        assert way.clock.num_timers == 1
    way.interrupt()
    assert way.clock.num_timers == 0
    way.say(1.0)
    way.clock.advance(3.0)
    assert way.clock.num_timers == 0
    way.say(1.0)
    way.pause_writing()
    assert way.clock.num_timers == 1
    way.outbound.close()
    assert way.clock.num_timers == 0


def live(way: Exit, secs: float) -> None:
    """Bring audio as a microphone does."""
    for _ in range(round(secs / 0.02)):
        way.clock.advance(0.02)
        way.say(0.02)


def test_a_live_source_is_sent_as_it_comes_in_whole_chunks() -> None:
    way = Exit()
    live(way, 2.0)
    assert {round(sent.secs, 6) for sent in way.wire.audio} == {CHUNK_SECS}
    assert way.wire.audio_secs == pytest.approx(2.0)


@pytest.mark.parametrize("others_secs", [0.0, 0.1, 0.4])
def test_a_standstill_leaves_nothing_of_a_live_source_late(others_secs: float) -> None:
    way = Exit()
    live(way, 1.0)
    way.clock.stall(0.5)
    way.clock.advance(0.0)  # Timers come first, then what the sockets hold, of others too.
    way.clock.advance(others_secs)
    for _ in range(25):
        way.say(0.02)
    live(way, 0.5)
    assert way.wire.audio_secs == pytest.approx(2.0)
    assert way.reports.log.count("started") == 1


def test_the_bot_of_a_source_that_ends_in_a_standstill_stops_all_the_same() -> None:
    way = Exit()
    live(way, 1.0)
    way.clock.stall(0.5)
    way.clock.advance(1.2)
    assert way.reports.log[-1] == "stopped"


def test_the_last_piece_of_a_stream_is_not_held_back() -> None:
    way = Exit()
    live(way, 0.1)
    way.clock.advance(0.15)
    assert way.wire.audio_secs == pytest.approx(0.1)


def test_a_piece_is_not_held_back_by_what_adds_nothing_to_it() -> None:
    way = Exit()
    way.say(0.01)
    for _ in range(10):
        way.clock.advance(0.03)
        way.say(0.0)
    assert way.wire.audio_secs == pytest.approx(0.01)


def test_the_end_of_a_short_sound_follows_without_a_gap() -> None:
    way = Exit()
    way.say(0.05)
    way.clock.advance(CHUNK_SECS - 0.02 + TIMER_SECS)
    assert way.wire.audio_secs == pytest.approx(0.05)


def test_every_chunk_goes_on_downstream_in_the_clients_format() -> None:
    way = Exit(sample_rate=24000, add_wav_header=True)
    way.say(0.2)
    way.clock.advance(1.0)
    chunks = [frame for frame in way.reports.sent if isinstance(frame, OutputAudioRawFrame)]
    assert sum(chunk.duration_secs for chunk in chunks) == pytest.approx(0.2)
    assert {chunk.sample_rate for chunk in chunks} == {24000}
    assert not chunks[0].audio.startswith(b"RIFF")


# Speaking.


def test_the_bot_starts_with_its_first_audio_and_stops_when_it_has_been_heard() -> None:
    way = Exit()
    way.say(1.0)
    assert way.reports.log[0] == "started"
    way.clock.advance(1.34)
    assert way.reports.stops == []
    way.clock.advance(0.02)
    assert way.reports.stops == [(False, pytest.approx(1.0))]
    way.clock.advance(5.0)
    assert len(way.reports.stops) == 1


def test_a_pause_between_two_sentences_is_one_utterance() -> None:
    way = Exit()
    for _ in range(3):
        way.say(0.5)
        way.clock.advance(0.7)
    way.clock.advance(1.0)
    assert way.reports.log.count("started") == 1
    assert way.reports.stops == [(False, pytest.approx(1.5))]


def test_the_resamplers_tail_is_sent_when_nothing_follows() -> None:
    way = Exit(sample_rate=24000)
    way.say(1.0)
    way.clock.advance(3.0)
    assert way.wire.audio_secs == pytest.approx(1.0)
    assert way.stats.underruns == 0


# Interruptions.


def test_nothing_queued_before_an_interruption_reaches_the_client_after_it() -> None:
    way = Exit()
    way.say(5.0)
    way.outbound.put(words("one"))
    way.clock.advance(1.0)
    num_sent = len(way.wire.sent)
    assert way.lead_secs <= LEAD_SECS + TIMER_SECS
    way.interrupt()
    way.clock.advance(10.0)
    assert len(way.wire.sent) == num_sent
    assert "TTSTextFrame" not in way.reports.log
    assert way.stats.interruptions == 1
    assert way.stats.audio_out_dropped_secs == pytest.approx(5.0 - way.wire.audio_secs)


def test_an_interruption_tells_how_much_had_been_heard() -> None:
    way = Exit()
    way.say(5.0)
    way.clock.advance(1.234)
    way.interrupt()
    assert way.reports.stops == [(True, pytest.approx(1.234))]
    assert way.reports.log[-1] == "interrupted"


def test_the_position_of_an_interruption_leaves_out_the_time_without_audio() -> None:
    way = Exit()
    way.say(0.2)
    way.clock.advance(0.4)
    way.say(1.0)
    way.clock.advance(0.5)
    way.interrupt()
    assert way.reports.stops == [(True, pytest.approx(0.7))]


def test_an_interruption_while_the_bot_is_silent_stops_nothing() -> None:
    way = Exit()
    way.interrupt()
    assert way.reports.log == []
    assert way.stats.interruptions == 0


def test_the_answer_after_an_interruption_starts_at_once_and_is_whole() -> None:
    way = Exit(sample_rate=24000)
    way.say(5.0)
    way.clock.advance(1.0)
    way.interrupt()
    num_before = len(way.wire.audio)
    answer = tone(0.5, sample_rate=24000)
    way.outbound.put(OutputAudioRawFrame(answer, 24000, 1))
    way.clock.advance(LEAD_SECS)
    assert len(way.wire.audio) > num_before
    way.clock.advance(2.0)
    assert b"".join(sent.pcm for sent in way.wire.audio[num_before:]) == answer
    assert way.reports.stops[-1] == (False, pytest.approx(0.5))


def test_the_answer_after_an_interruption_begins_without_the_old_ones_resampler() -> None:
    way, fresh = Exit(sample_rate=24000), Exit(sample_rate=24000)
    way.say(5.0)
    way.clock.advance(1.0)
    way.interrupt()
    num_before = len(way.wire.audio)
    for exit_ in (way, fresh):
        exit_.say(0.2, sample_rate=8000)
        exit_.clock.advance(2.0)
    assert b"".join(sent.pcm for sent in way.wire.audio[num_before:]) == fresh.wire.pcm


def test_audio_that_a_cancelled_handler_still_pushes_is_dropped() -> None:
    way = Exit()
    way.outbound.put(TTSStartedFrame("one"))
    way.outbound.put(TTSAudioRawFrame(tone(1.0), RATE, 1, "one"))
    way.interrupt()
    num_sent = len(way.wire.sent)
    dropped_secs = way.stats.audio_out_dropped_secs
    way.outbound.put(TTSAudioRawFrame(tone(1.0), RATE, 1, "one"))
    way.clock.advance(2.0)
    assert len(way.wire.sent) == num_sent
    assert way.stats.audio_out_dropped_secs - dropped_secs == pytest.approx(1.0)
    assert way.reports.errors == []


def test_a_client_that_can_flush_is_told_and_gets_the_next_answer_at_once() -> None:
    serializer = ProtobufFrameSerializer(send_interruptions=True)
    way = Exit(serializer=serializer, audio_out_lead_secs=1.0)
    way.say(5.0)
    way.clock.advance(0.5)
    way.interrupt()
    assert way.wire.sent[-1].kind == "interruption"
    assert way.reports.stops == [(True, pytest.approx(0.5))]
    num_before = len(way.wire.audio)
    way.say(2.0)
    assert sum(sent.secs for sent in way.wire.audio[num_before:]) == pytest.approx(1.0)


# What the client's player needs.


def test_a_player_that_can_flush_is_kept_a_second_ahead() -> None:
    way = Exit()
    way.outbound.play_on(Player(flush=lambda _: None))
    way.say(5.0)
    way.clock.advance(0.5)
    assert way.lead_secs == pytest.approx(1.0, abs=CHUNK_SECS + TIMER_SECS)


def test_a_lead_that_is_deeper_already_stays() -> None:
    way = Exit(audio_out_lead_secs=3.0)
    way.outbound.play_on(Player(flush=lambda _: None))
    way.say(5.0)
    assert way.lead_secs == pytest.approx(3.0, abs=CHUNK_SECS + TIMER_SECS)


def test_a_player_that_can_flush_is_told_to_and_the_next_answer_starts_at_once() -> None:
    flushed: list[int] = []
    way = Exit()
    way.outbound.play_on(Player(flush=flushed.append))
    way.say(5.0)
    way.clock.advance(1.0)
    way.interrupt()
    assert flushed == [1]
    assert way.reports.stops == [(True, pytest.approx(1.0, abs=0.01))]
    sent_before = len(way.wire.audio)
    way.say(1.0)
    assert sum(sent.secs for sent in way.wire.audio[sent_before:]) == pytest.approx(1.0)
    way.interrupt()
    assert flushed == [1, 2]


def test_a_player_that_has_nothing_is_not_flushed() -> None:
    flushed: list[int] = []
    way = Exit()
    way.outbound.play_on(Player(flush=flushed.append))
    way.interrupt()
    way.say(0.2)
    way.clock.advance(3.0)
    way.interrupt()
    assert flushed == []


def test_a_player_that_is_late_is_flushed_when_the_schedule_is_over() -> None:
    flushed: list[int] = []
    way = Exit()
    way.outbound.play_on(Player(flush=flushed.append))
    way.say(1.0)
    way.clock.advance(1.4)
    way.outbound.played(PlayoutReport(0, 0.5, 0.5))
    way.interrupt()
    assert flushed == [1]


def test_an_interruption_tells_how_much_the_client_says_it_has_played() -> None:
    way = Exit()
    way.outbound.play_on(Player(flush=lambda _: None))
    way.say(5.0)
    way.clock.advance(1.0)
    way.outbound.played(PlayoutReport(0, 0.7, 1.3))
    way.clock.advance(0.1)
    way.interrupt()
    assert way.reports.stops == [(True, pytest.approx(0.8, abs=0.01))]


def test_a_player_that_takes_all_audio_for_one_rate_gets_that_rate() -> None:
    way = Exit()
    way.say(0.5)
    way.outbound.play_on(PIPECAT_JS)
    way.say(0.5)
    way.clock.advance(2.0)
    rates = [sent.sample_rate for sent in way.wire.audio]
    assert rates == sorted(rates)
    assert set(rates) == {RATE, 24_000}
    assert way.wire.audio_secs == pytest.approx(1.0, abs=0.006 + 2 * 128 / 24_000)


def test_the_applications_own_rate_holds_whatever_the_player_takes_it_for() -> None:
    way = Exit(audio_out_sample_rate=RATE)
    way.outbound.play_on(PIPECAT_JS)
    way.say(0.5)
    assert {sent.sample_rate for sent in way.wire.audio} == {RATE}


def test_frames_keep_their_place_when_the_rate_changes() -> None:
    way = Exit()
    way.say(0.3)
    way.outbound.put(TextFrame("between"))
    way.say(0.3)
    way.outbound.play_on(PIPECAT_JS)
    way.clock.advance(2.0)
    at = [sent.kind for sent in way.wire.sent].index("text")
    before = sum(sent.secs for sent in way.wire.sent[:at])
    assert before == pytest.approx(0.3, abs=0.01)
    assert way.wire.audio_secs == pytest.approx(0.6, abs=0.02)


def test_a_listener_may_interrupt_as_soon_as_the_bot_starts() -> None:
    way = Exit()
    way.reports.when_bot_starts = way.interrupt
    way.say(1.0)
    way.clock.advance(2.0)
    assert way.wire.audio == []
    assert way.reports.log == ["started", "interrupted"]


# Ends.


@pytest.mark.parametrize("end", [EndFrame, StopFrame])
@pytest.mark.parametrize("sample_rate", [16000, 24000])
def test_an_end_waits_until_all_audio_has_been_played(end: type[Frame], sample_rate: int) -> None:
    way = Exit(sample_rate=sample_rate)
    way.say(1.013)
    way.outbound.put(end())
    way.clock.advance(1.011)
    assert way.wire.audio_secs == pytest.approx(1.013, abs=0.0001)
    assert end.__name__ not in way.reports.log
    way.clock.advance(0.003)
    assert way.reports.log[-2:] == ["stopped", end.__name__]
    assert way.reports.stops == [(False, pytest.approx(1.013, abs=TIMER_SECS))]
    assert way.stats.underruns == 0


def test_nothing_of_the_bot_follows_an_end() -> None:
    way = Exit()
    way.say(0.2)
    way.outbound.put(EndFrame())
    way.say(1.0)
    way.outbound.put(message("late"))
    way.clock.advance(5.0)
    assert way.wire.audio_secs == pytest.approx(0.2)
    assert {sent.kind for sent in way.wire.sent} == {"audio"}
    assert way.reports.log[-1] == "EndFrame"
    assert way.stats.audio_out_dropped_secs == pytest.approx(1.0)


def test_a_second_end_does_not_overtake_the_first() -> None:
    way = Exit()
    way.say(1.0)
    way.outbound.put(EndFrame())
    way.outbound.put(EndFrame())
    way.clock.advance(0.9)
    assert "EndFrame" not in way.reports.log
    way.clock.advance(0.2)
    assert way.reports.log.count("EndFrame") == 2


def test_an_interruption_does_not_lose_the_end() -> None:
    way = Exit()
    way.say(5.0)
    way.outbound.put(EndFrame())
    way.clock.advance(1.0)
    way.interrupt()
    way.clock.advance(LEAD_SECS)
    assert way.reports.log[-1] == "EndFrame"


def test_an_end_without_audio_goes_at_once() -> None:
    way = Exit()
    way.outbound.put(EndFrame())
    assert way.reports.log == ["EndFrame"]


def test_closing_drops_everything_but_the_pipelines_own_frames() -> None:
    way = Exit()
    way.say(5.0)
    way.outbound.put(message("late"))
    way.outbound.put(HeartbeatFrame(0))
    way.outbound.put(EndFrame())
    way.clock.advance(1.0)
    num_sent = len(way.wire.sent)
    way.outbound.close()
    way.outbound.close()
    way.clock.advance(10.0)
    assert len(way.wire.sent) == num_sent
    assert way.reports.log[-3:] == ["interrupted", "HeartbeatFrame", "EndFrame"]
    assert way.reports.stops == [(True, pytest.approx(1.0))]


def test_what_comes_after_closing_is_dropped_and_counted() -> None:
    way = Exit()
    way.outbound.close()
    way.say(1.0)
    way.outbound.put(message("late"))
    way.outbound.put(EndFrame())
    way.clock.advance(10.0)
    assert way.wire.sent == []
    assert way.reports.log == ["EndFrame"]
    assert way.stats.audio_out_dropped_secs == pytest.approx(1.0)


def test_a_connection_that_is_gone_already_is_no_error() -> None:
    way = Exit()
    way.wire.close(1006)
    way.say(0.1)
    way.outbound.put(message("late"))
    way.clock.advance(1.0)
    assert way.reports.errors == []
    assert way.stats.messages_out == 0


# Clients that do not read.


def test_nothing_is_sent_while_writing_is_paused() -> None:
    way = Exit()
    way.say(5.0)
    way.clock.advance(1.0)
    way.pause_writing()
    num_sent = len(way.wire.sent)
    way.clock.advance(5.0)
    way.say(1.0)
    way.outbound.put(message("later"))
    way.outbound.send_now(OutputTransportMessageUrgentFrame({"n": 1}))
    way.outbound.send_now(OutputTransportMessageUrgentFrame({"n": 2}))
    assert len(way.wire.sent) == num_sent


def test_when_writing_goes_on_urgent_messages_come_first_and_the_lead_is_restored_at_once() -> None:
    way = Exit()
    way.say(5.0)
    way.clock.advance(1.0)
    way.pause_writing()
    way.outbound.send_now(OutputTransportMessageUrgentFrame({"n": 1}))
    way.outbound.send_now(OutputTransportMessageUrgentFrame({"n": 2}))
    way.clock.advance(0.5)
    num_sent = len(way.wire.sent)
    way.resume_writing()
    new = way.wire.sent[num_sent:]
    assert [sent.text for sent in new[:2]] == ['{"n": 1}', '{"n": 2}']
    assert sum(sent.secs for sent in new) == pytest.approx(LEAD_SECS)
    way.clock.advance(10.0)
    assert way.wire.audio_secs == pytest.approx(5.0)


def test_urgent_messages_wait_on_where_writing_is_paused_again_in_their_midst() -> None:
    way = Exit()
    way.pause_writing()
    for n in range(3):
        way.outbound.send_now(OutputTransportMessageUrgentFrame({"n": n}))
    send = way.wire.send

    def send_and_pause(message: bytes | str) -> None:
        send(message)
        way.pause_writing()

    setattr(way.wire, "send", send_and_pause)  # noqa: B010 - a method
    for num_sent in (1, 2, 3, 3):
        way.resume_writing()
        assert [sent.text for sent in way.wire.sent] == [f'{{"n": {n}}}' for n in range(num_sent)]


def test_a_client_that_does_not_read_is_closed_after_the_lag(
    caplog: pytest.LogCaptureFixture,
) -> None:
    way = Exit(audio_out_max_lag_secs=3.0)
    way.say(60.0)
    way.pause_writing()
    with caplog.at_level(logging.WARNING):
        way.clock.advance(2.99)
        assert way.wire.closes == []
        way.clock.advance(0.02)
    assert way.wire.closes == [(1013, "you do not read what is sent to you")]
    assert way.stats.lagging_clients == 1
    assert len(caplog.records) == 1


def test_a_client_that_reads_again_in_time_is_not_closed() -> None:
    way = Exit(audio_out_max_lag_secs=3.0)
    way.say(60.0)
    for _ in range(5):
        way.pause_writing()
        way.clock.advance(2.9)
        way.resume_writing()
        way.clock.advance(1.0)
    assert way.wire.closes == []


def test_a_client_that_leaves_while_it_does_not_read_is_not_closed_again() -> None:
    way = Exit(audio_out_max_lag_secs=3.0)
    way.pause_writing()
    way.outbound.close()
    way.clock.advance(10.0)
    assert way.wire.closes == []


# Bounds.


def test_audio_beyond_the_bound_is_refused_with_one_error_each_time_it_fills_up() -> None:
    way = Exit(audio_out_max_queued_secs=2.0)
    for _ in range(2):
        for _ in range(50):
            way.say(0.2)
            way.clock.advance(0.1)
        way.clock.advance(5.0)
    assert way.reports.errors == ["the output is full (2 seconds of audio)"] * 2
    said_secs = 2 * 50 * 0.2
    assert way.wire.audio_secs + way.stats.audio_out_dropped_secs == pytest.approx(said_secs)
    assert way.stats.audio_out_dropped_secs > 1.0


def test_frames_beyond_the_bound_are_refused_with_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.transports.outbound.MAX_QUEUED_FRAMES", 5)
    way = Exit()
    way.say(1.0)
    for _ in range(20):
        way.outbound.put(message("x"))
    way.outbound.put(EndFrame())
    way.clock.advance(5.0)
    assert way.reports.errors == ["the output is full (5 frames)"]
    assert sum(sent.kind == "message" for sent in way.wire.sent) == 4
    assert way.reports.log[-1] == "EndFrame"


def test_urgent_messages_for_a_client_that_does_not_read_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.transports.outbound.MAX_QUEUED_FRAMES", 5)
    way = Exit()
    way.pause_writing()
    for _ in range(20):
        way.outbound.send_now(OutputTransportMessageUrgentFrame({}))
    way.resume_writing()
    assert len(way.wire.sent) == 5
    assert way.reports.errors == ["the output is full (5 urgent frames)"]


# Serializers that fail.


class Faulty(ProtobufFrameSerializer):
    """Cannot send text, and has a bug for messages."""

    def serialize(self, frame: Frame) -> bytes | None:
        if isinstance(frame, TextFrame):
            raise FrameEncodeError("no text on this wire")
        if isinstance(frame, OutputAudioRawFrame | InterruptionFrame):
            return super().serialize(frame)
        raise KeyError("oops")


def test_a_frame_that_cannot_be_sent_is_reported_and_the_next_one_follows() -> None:
    way = Exit(serializer=Faulty())
    way.say(0.2)
    way.outbound.put(words("x"))
    way.outbound.put(message("x"))
    way.say(0.2)
    way.clock.advance(2.0)
    assert way.reports.errors == ["FrameEncodeError: no text on this wire", "KeyError: 'oops'"]
    assert way.wire.audio_secs == pytest.approx(0.4)
    assert "TTSTextFrame" in way.reports.log


def test_every_message_is_counted() -> None:
    way = Exit()
    way.say(0.4)
    way.outbound.put(message("x"))
    way.outbound.send_now(OutputTransportMessageUrgentFrame({}))
    way.clock.advance(2.0)
    assert way.stats.messages_out == 12


TEN_WORDS = "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj"
"""Each is half a second of what `begin_sentence` says."""


def begin_sentence(way: Exit, text: str = TEN_WORDS) -> None:
    frame = TTSSentenceFrame(text, answer_id=1)
    frame.audio_secs = len(text) / 10
    frame.is_complete = True
    way.outbound.put(frame)
    way.say(frame.audio_secs)
    way.outbound.put(TTSTextFrame(text, frame.id))


def test_an_interruption_tells_which_words_the_caller_has_heard() -> None:
    way = Exit()
    way.outbound.play_on(Player(flush=lambda _: None))
    begin_sentence(way)
    begin_sentence(way)
    way.clock.advance(2.0)
    way.outbound.interrupt(InterruptionFrame())
    assert way.reports.cuts == [["aaaa bbbb cccc dddd", ""]]


def test_what_a_client_has_that_cannot_flush_it_will_hear() -> None:
    way = Exit(audio_out_lead_secs=1.0)
    begin_sentence(way)
    way.clock.advance(2.0)
    way.outbound.interrupt(InterruptionFrame())
    assert way.reports.cuts == [["aaaa bbbb cccc dddd eeee ffff"]]


def test_where_the_client_says_that_it_stopped_elsewhere_it_is_told_again() -> None:
    way = Exit()
    way.outbound.play_on(Player(flush=lambda _: None))
    begin_sentence(way)
    way.clock.advance(2.0)
    way.outbound.interrupt(InterruptionFrame())
    way.outbound.played(PlayoutReport(0, 1.0, 0.0))
    assert way.reports.cuts == [["aaaa bbbb cccc dddd"], ["aaaa bbbb"]]


def test_a_caller_who_leaves_has_heard_no_more() -> None:
    way = Exit()
    begin_sentence(way)
    way.clock.advance(2.0)
    way.outbound.close()
    assert way.reports.cuts == [["aaaa bbbb cccc dddd"]]


def test_an_interruption_of_nothing_cuts_nothing() -> None:
    way = Exit()
    begin_sentence(way)
    way.clock.advance(60.0)
    way.outbound.interrupt(InterruptionFrame())
    assert way.reports.cuts == []
