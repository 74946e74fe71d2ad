from hypothesis import given
from hypothesis import strategies as st

from voicewire.cli.bench.plan import FRAME_BYTES
from voicewire.cli.bench.stamps import MAX_FRAMES, StampTable, stamp

SILENCE = bytes(FRAME_BYTES)


def test_a_stamp_changes_no_sample_by_more_than_one() -> None:
    frame = bytes(range(256)) * 2 + bytes(128)
    changed = memoryview(stamp(frame, 0xA5F0)).cast("h").tolist()
    before = memoryview(frame).cast("h").tolist()
    assert max(abs(a - b) for a, b in zip(changed, before, strict=True)) == 1
    assert changed[32:] == before[32:]


@given(st.sets(st.integers(0, MAX_FRAMES - 1), min_size=2, max_size=50))
def test_silent_frames_are_told_apart(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    frames = [stamp(SILENCE, number) for number in ordered]
    table = StampTable(frames)
    assert [table.at(frame, 0) for frame in frames] == list(range(len(ordered)))


def test_a_frame_is_found_wherever_it_begins() -> None:
    frames = [stamp(SILENCE, number) for number in range(1000)]
    table = StampTable(frames)
    for cut in (2, 64, 300, 638):
        audio = frames[41][cut:] + frames[42]
        assert table.find(audio) == (FRAME_BYTES - cut, 42)


def test_a_shifted_stamp_in_silence_is_no_other_stamp() -> None:
    frames = [stamp(SILENCE, number) for number in range(2000)]
    table = StampTable(frames)
    for number in range(0, 2000, 7):
        for shift in range(2, 64, 2):
            assert table.at(SILENCE[:shift] + frames[number], 0) is None
            assert table.at(frames[number], shift) is None


def test_audio_without_a_stamp_is_no_frame() -> None:
    table = StampTable([stamp(SILENCE, number) for number in range(5)])
    assert table.find(b"\1\0" * 640) is None
    assert table.find(b"") is None
