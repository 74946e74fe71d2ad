"""Speech-to-text on this machine."""

from voicewire.pipeline import ProcessorSetup
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine
from voicewire.services.stt import INTERIM_SECS, SegmentedSTTService


class WhisperSTTService(SegmentedSTTService):
    """Whisper tiny.en: English, interim and final transcriptions.

    Args:
        interim_secs: New speech between two interim transcriptions; None makes none.
        user_id: Who speaks, for the frames.
        name: For logs.
    """

    def __init__(
        self,
        *,
        interim_secs: float | None = INTERIM_SECS,
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(
            sample_rate=WHISPER_SAMPLE_RATE, interim_secs=interim_secs, user_id=user_id, name=name
        )
        self._engine = WhisperEngine.shared()

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._engine.ready()

    async def transcribe(self, pcm: bytes) -> str:
        return (await self._engine.transcribe(pcm)).text
