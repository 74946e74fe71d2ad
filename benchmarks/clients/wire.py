"""Messages of Pipecat's protobuf dialect, for clients that need no more than audio."""

from websockets.asyncio.client import ClientConnection, connect

from voicewire.audio.pcm import duration_secs, num_bytes
from voicewire.serializers.protos import frames_pb2 as proto

FRAME_SECS = 0.02
SAMPLE_RATE = 16000


def audio_message(secs: float = FRAME_SECS) -> bytes:
    """Return a message of silence, mono."""
    pcm = bytes(num_bytes(secs, SAMPLE_RATE, 1))
    audio = proto.AudioRawFrame(audio=pcm, sample_rate=SAMPLE_RATE, num_channels=1)
    return proto.Frame(audio=audio).SerializeToString()


def audio_secs(message: bytes | str) -> float:
    """Return how long the audio of a message lasts; 0.0 if it is something else."""
    if isinstance(message, str):
        return 0.0
    audio = proto.Frame.FromString(message).audio
    if not audio.sample_rate:
        return 0.0
    return duration_secs(len(audio.audio), audio.sample_rate, audio.num_channels)


async def dial(url: str, *, max_queue: int = 1024) -> ClientConnection:
    """Connect; `max_queue` messages are read ahead."""
    return await connect(url, compression=None, open_timeout=30, max_queue=max_queue)
