"""Standing in for Pipecat, after the manner of `pymysql.install_as_MySQLdb()`.

The names are those that a bot on the WebSocket server transport imports, by the paths that Pipecat
has had for them, from 0.0.50 to 1.14. Those that were renamed are here under each of their names.
"""

import sys
from collections.abc import Mapping

from voicewire.compat.stand_in import ALL, Names, StandInFinder
from voicewire.errors import ConfigurationError

PIPECAT_VERSION = "1.14.0"
"""What `pipecat.__version__` says: the release whose names the table follows."""


def install_as_pipecat() -> None:
    """Let `import pipecat` find voicewire, so that a bot written for Pipecat runs on it.

    Call it before the first import of `pipecat`; whether Pipecat is installed makes no difference
    then. A second call does nothing. ::

        import voicewire

        voicewire.install_as_pipecat()

        from pipecat.transports.network.websocket_server import WebsocketServerTransport

    Raises:
        ConfigurationError: Pipecat itself has been imported already.
    """
    if any(isinstance(each, StandInFinder) and each.package == "pipecat" for each in sys.meta_path):
        return
    imported = next((name for name in sys.modules if name.partition(".")[0] == "pipecat"), None)
    if imported is not None:
        raise ConfigurationError(
            f"{imported} has been imported already, and it is not ours; call "
            "voicewire.install_as_pipecat() before the first import of pipecat"
        )
    sys.meta_path.insert(
        0, StandInFinder("pipecat", TABLE, {"__version__": PIPECAT_VERSION, "version": _version})
    )


def _version() -> str:
    return PIPECAT_VERSION


def _from(module: str, *names: str) -> dict[str, str]:
    return {name: f"{module}:{name}" for name in names}


_FRAMES: Names = {
    ALL: "voicewire.frames",
    # A processor in the middle asks the task for it by pushing it upstream: so do our own.
    "BotInterruptionFrame": "voicewire.frames:InterruptionFrame",
    "CancelTaskFrame": "voicewire.frames:CancelFrame",
    "CancelWorkerFrame": "voicewire.frames:CancelFrame",
    "EndTaskFrame": "voicewire.frames:EndFrame",
    "EndWorkerFrame": "voicewire.frames:EndFrame",
    "InterruptionTaskFrame": "voicewire.frames:InterruptionFrame",
    "InterruptionWorkerFrame": "voicewire.frames:InterruptionFrame",
    "StopTaskFrame": "voicewire.frames:StopFrame",
    "StopWorkerFrame": "voicewire.frames:StopFrame",
    # Names of other releases.
    "InputTransportMessageUrgentFrame": "voicewire.frames:InputTransportMessageFrame",
    "StartInterruptionFrame": "voicewire.frames:InterruptionFrame",
    "TransportMessageFrame": "voicewire.frames:OutputTransportMessageFrame",
    "TransportMessageUrgentFrame": "voicewire.frames:OutputTransportMessageUrgentFrame",
}

_SERVER: Names = {
    **_from("voicewire.compat.transports", "WebsocketServerParams", "WebsocketServerTransport"),
    "SingleClientWebsocketServerParams": "voicewire.compat.transports:WebsocketServerParams",
    "SingleClientWebsocketServerTransport": "voicewire.compat.transports:WebsocketServerTransport",
}

_FASTAPI: Names = _from(
    "voicewire.transports.asgi", "FastAPIWebsocketParams", "FastAPIWebsocketTransport"
)

_TASK: Names = {
    **_from("voicewire.compat.pipeline", "PipelineParams", "PipelineTask"),
    "PipelineWorker": "voicewire.compat.pipeline:PipelineTask",
}

_VAD_ANALYZER = _from("voicewire.vad", "VADAnalyzer", "VADParams", "VADState")

_AGGREGATORS = _from(
    "voicewire.processors",
    "LLMAssistantAggregator",
    "LLMContextAggregatorPair",
    "LLMUserAggregator",
    "LLMUserAggregatorParams",
)

TABLE: Mapping[str, Names] = {
    "pipecat.adapters.schemas.function_schema": _from("voicewire.context", "FunctionSchema"),
    "pipecat.adapters.schemas.tools_schema": _from("voicewire.context", "ToolsSchema"),
    "pipecat.audio.vad.silero": _from("voicewire.vad", "SileroVADAnalyzer"),
    "pipecat.audio.vad.vad_analyzer": _VAD_ANALYZER,
    "pipecat.audio.vad.webrtc": _from("voicewire.vad", "WebRTCVADAnalyzer"),
    "pipecat.frames.frames": _FRAMES,
    "pipecat.observers.base_observer": _from("voicewire.pipeline", "BaseObserver", "FramePushed"),
    "pipecat.pipeline.parallel_pipeline": _from("voicewire.pipeline", "ParallelPipeline"),
    "pipecat.pipeline.pipeline": _from("voicewire.pipeline", "Pipeline"),
    "pipecat.pipeline.runner": _from("voicewire.compat.pipeline", "PipelineRunner", "WorkerRunner"),
    "pipecat.pipeline.task": _TASK,
    "pipecat.pipeline.worker": _TASK,
    "pipecat.processors.aggregators.llm_context": _from("voicewire.context", "LLMContext"),
    "pipecat.processors.aggregators.llm_response_universal": _AGGREGATORS,
    "pipecat.processors.frame_processor": {
        **_from("voicewire.pipeline", "FrameDirection", "FrameProcessor"),
        "FrameProcessorSetup": "voicewire.pipeline:ProcessorSetup",
    },
    "pipecat.processors.frameworks.rtvi": {
        **_from(
            "voicewire.frames",
            "RTVIClientMessageFrame",
            "RTVIServerMessageFrame",
            "RTVIServerResponseFrame",
        ),
        **_from("voicewire.compat.rtvi", "RTVIConfig", "RTVIObserver", "RTVIProcessor"),
        "RTVIObserverParams": "voicewire.rtvi:RTVIParams",
    },
    "pipecat.serializers.base_serializer": _from("voicewire.compat.serializers", "FrameSerializer"),
    "pipecat.serializers.exotel": _from("voicewire.serializers", "ExotelFrameSerializer"),
    "pipecat.serializers.genesys": _from(
        "voicewire.serializers.genesys",
        "AudioHookChannel",
        "AudioHookMediaFormat",
        "GenesysAudioHookSerializer",
    ),
    "pipecat.serializers.plivo": _from("voicewire.serializers", "PlivoFrameSerializer"),
    "pipecat.serializers.protobuf": _from("voicewire.serializers", "ProtobufFrameSerializer"),
    "pipecat.serializers.telnyx": _from("voicewire.serializers", "TelnyxFrameSerializer"),
    "pipecat.serializers.twilio": _from("voicewire.serializers", "TwilioFrameSerializer"),
    "pipecat.serializers.vonage": _from("voicewire.serializers", "VonageFrameSerializer"),
    "pipecat.services.llm_service": _from(
        "voicewire.services.function_calls", "FunctionCallParams"
    ),
    "pipecat.transports.base_transport": _from(
        "voicewire.transports", "BaseTransport", "TransportParams"
    ),
    "pipecat.transports.network.fastapi_websocket": _FASTAPI,
    "pipecat.transports.network.websocket_server": _SERVER,
    "pipecat.transports.websocket.fastapi": _FASTAPI,
    "pipecat.transports.websocket.server": _SERVER,
    "pipecat.turns.user_start": _from(
        "voicewire.turns",
        "MinWordsUserTurnStartStrategy",
        "TranscriptionUserTurnStartStrategy",
        "VADUserTurnStartStrategy",
    ),
    "pipecat.turns.user_turn_strategies": _from(
        "voicewire.turns", "ExternalUserTurnStrategies", "UserTurnStrategies"
    ),
    "pipecat.vad.silero": _from("voicewire.vad", "SileroVADAnalyzer"),
    "pipecat.vad.vad_analyzer": _VAD_ANALYZER,
    "pipecat.workers.runner": _from("voicewire.compat.pipeline", "WorkerRunner"),
}
"""The one table: the module's path in Pipecat, its names, and where ours are."""
