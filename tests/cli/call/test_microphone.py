import pytest

from voicewire.cli.call.microphone import MESSAGE_SECS, Microphone
from voicewire.cli.call.sound import Sound


def test_it_sends_silence_until_it_has_something_to_play() -> None:
    assert Microphone(16000, 1).next_message() == Sound(bytes(640), 16000, 1)


def test_a_recording_begins_with_the_next_message_and_silence_follows_it() -> None:
    microphone = Microphone(16000, 1)
    microphone.next_message()
    microphone.play(Sound(b"\1\2" * 500, 16000, 1))
    sent = b"".join(microphone.next_message().pcm for _ in range(3))
    assert sent == b"\1\2" * 500 + bytes(3 * 640 - 1000)


def test_it_keeps_the_format_of_the_recording_afterwards() -> None:
    microphone = Microphone(16000, 1)
    microphone.play(Sound(bytes(4 * 960), 48000, 2))
    messages = [microphone.next_message() for _ in range(3)]
    assert {(message.sample_rate, message.num_channels) for message in messages} == {(48000, 2)}


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_no_sample_is_lost_or_repeated_at_any_rate(rate: int) -> None:
    pcm = b"".join((n % 30000 + 1).to_bytes(2, "little") for n in range(rate))
    microphone = Microphone(rate, 1)
    microphone.play(Sound(pcm, rate, 1))
    num_messages = round(1 / MESSAGE_SECS)
    assert b"".join(microphone.next_message().pcm for _ in range(num_messages)) == pcm
