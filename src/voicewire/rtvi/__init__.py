"""RTVI: what a client shows of a conversation, and what it can ask for.

https://docs.pipecat.ai/client/rtvi-standard
"""

from voicewire.rtvi.params import FunctionCallReportLevel, RTVIParams
from voicewire.rtvi.rtvi import RTVI

__all__ = ["RTVI", "FunctionCallReportLevel", "RTVIParams"]
