"""What a microphone would send: recordings when it is their turn, silence all the time. Pure."""

from voicewire.cli.call.sound import Sound

MESSAGE_SECS = 0.02
"""Audio in one message."""


class Microphone:
    """Cuts recordings and the silence around them into messages of `MESSAGE_SECS`.

    Silence has the format of the recording before it: a microphone keeps its format too.
    """

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        """Begin with silence of this format, in hertz and channels."""
        self._sound = Sound(b"", sample_rate, num_channels)
        self._num_cut = 0

    def play(self, sound: Sound) -> None:
        """Send `sound` from the next message on."""
        self._sound = sound
        self._num_cut = 0

    def next_message(self) -> Sound:
        """Return the next `MESSAGE_SECS`."""
        # From the index, not by adding up: 20 ms of 11,025 Hz are no whole number of samples.
        start_secs = self._num_cut * MESSAGE_SECS
        self._num_cut += 1
        sound = self._sound
        pcm = sound.cut(start_secs, self._num_cut * MESSAGE_SECS)
        return Sound(pcm, sound.sample_rate, sound.num_channels)
