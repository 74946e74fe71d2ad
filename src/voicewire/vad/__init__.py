"""Voice activity detection: when does a caller begin and stop speaking?"""

from voicewire.vad.analyzer import VADAnalyzer as VADAnalyzer
from voicewire.vad.machine import VADEvent as VADEvent
from voicewire.vad.machine import VADMachine as VADMachine
from voicewire.vad.machine import VADParams as VADParams
from voicewire.vad.machine import VADState as VADState
from voicewire.vad.silero import SileroVADAnalyzer as SileroVADAnalyzer
from voicewire.vad.stream import OnConfidence as OnConfidence
from voicewire.vad.stream import VADDetector as VADDetector
from voicewire.vad.stream import VADStream as VADStream
from voicewire.vad.webrtc import WebRTCVADAnalyzer as WebRTCVADAnalyzer

__all__ = [
    "OnConfidence",
    "SileroVADAnalyzer",
    "VADAnalyzer",
    "VADDetector",
    "VADEvent",
    "VADMachine",
    "VADParams",
    "VADState",
    "VADStream",
    "WebRTCVADAnalyzer",
]
