"""Text-to-speech on this machine."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from voicewire.frames import WordTime
from voicewire.pipeline import ProcessorSetup
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.services.tts import TTSService


class HibariTTSService(TTSService):
    """Hibari: an English voice, a hundred times faster than real time.

    Args:
        name: For logs.
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(sample_rate=VOICE_SAMPLE_RATE, name=name)
        self._engine = HibariEngine.shared()

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._engine.ready()

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        async with aclosing(self._engine.speak(text)) as pieces:
            async for pcm in pieces:
                yield pcm
