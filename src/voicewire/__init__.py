"""A real-time voice server over WebSocket: build a talking bot as a pipeline.

Every public name is here but for the services of one vendor or model each, which are imported from
their own modules, such as `voicewire.services.openai`. `docs/reference.md` lists them all.

A name is loaded when it is first asked for: `import voicewire` costs nothing, and a program that
wants frames alone does not load the transports.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from voicewire.exports import HOME_OF

if TYPE_CHECKING:
    from voicewire.compat import (
        install_as_pipecat,
    )
    from voicewire.errors import (
        AddressInUseError,
        ConfigurationError,
        ConnectError,
        ConnectRefusedError,
        FrameDecodeError,
        FrameEncodeError,
        MissingExtraError,
        ModelFileError,
        QueueFullError,
        ServiceError,
        SessionClosed,
        VoicewireError,
        WorkerError,
    )
    from voicewire.frames import (
        AudioRawFrame,
        BotStartedSpeakingFrame,
        BotStoppedSpeakingFrame,
        CancelFrame,
        ClientConnectedFrame,
        ClientDisconnectedFrame,
        ControlFrame,
        DataFrame,
        EndFrame,
        ErrorFrame,
        FatalErrorFrame,
        Frame,
        FunctionCallCancelFrame,
        FunctionCallFromLLM,
        FunctionCallInProgressFrame,
        FunctionCallResultFrame,
        FunctionCallsStartedFrame,
        HeartbeatFrame,
        InputAudioRawFrame,
        InputDTMFFrame,
        InputTransportMessageFrame,
        InterimTranscriptionFrame,
        InterruptionFrame,
        KeypadEntry,
        LifecycleFrame,
        LLMConfigureOutputFrame,
        LLMContextFrame,
        LLMFullResponseEndFrame,
        LLMFullResponseStartFrame,
        LLMMessagesAppendFrame,
        LLMMessagesFrame,
        LLMMessagesUpdateFrame,
        LLMRunFrame,
        LLMTextFrame,
        Message,
        MetricsData,
        MetricsFrame,
        OutputAudioRawFrame,
        OutputDTMFFrame,
        OutputDTMFUrgentFrame,
        OutputTransportMessageFrame,
        OutputTransportMessageUrgentFrame,
        RTVIClientMessageFrame,
        RTVIServerMessageFrame,
        RTVIServerResponseFrame,
        StartFrame,
        StopFrame,
        SystemFrame,
        TextFrame,
        TranscriptionFrame,
        TTSAudioRawFrame,
        TTSSpeakFrame,
        TTSStartedFrame,
        TTSStoppedFrame,
        TTSTextFrame,
        UninterruptibleFrame,
        UserStartedSpeakingFrame,
        UserStoppedSpeakingFrame,
        VADUserStartedSpeakingFrame,
        VADUserStoppedSpeakingFrame,
    )
    from voicewire.pipeline import (
        BaseObserver,
        FrameDirection,
        FrameProcessor,
        FramePushed,
        InlineProcessor,
        ParallelPipeline,
        Pipeline,
        PipelineParams,
        PipelineRunner,
        PipelineTask,
        Processor,
        ProcessorSetup,
    )
    from voicewire.rtvi import (
        RTVI,
        FunctionCallReportLevel,
        RTVIParams,
    )
    from voicewire.serializers import (
        FrameSerializer,
        ProtobufFrameSerializer,
    )
    from voicewire.services.llm import (
        LLMService,
    )
    from voicewire.services.stt import (
        SegmentedSTTService,
    )
    from voicewire.services.tts import (
        TTSService,
    )
    from voicewire.sessions import (
        Limits,
        Session,
        SessionTransport,
        VoiceServer,
        serve,
    )
    from voicewire.transports import (
        BaseTransport,
        ClientConnection,
        ConnectRequest,
        TransportParams,
        TransportStats,
        WebsocketClientParams,
        WebsocketClientTransport,
        WebsocketServerParams,
        WebsocketServerTransport,
    )
    from voicewire.vad import (
        SileroVADAnalyzer,
        VADAnalyzer,
        VADParams,
        VADState,
        WebRTCVADAnalyzer,
    )

    __version__: str

__all__ = [
    "RTVI",
    "AddressInUseError",
    "AudioRawFrame",
    "BaseObserver",
    "BaseTransport",
    "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame",
    "CancelFrame",
    "ClientConnectedFrame",
    "ClientConnection",
    "ClientDisconnectedFrame",
    "ConfigurationError",
    "ConnectError",
    "ConnectRefusedError",
    "ConnectRequest",
    "ControlFrame",
    "DataFrame",
    "EndFrame",
    "ErrorFrame",
    "FatalErrorFrame",
    "Frame",
    "FrameDecodeError",
    "FrameDirection",
    "FrameEncodeError",
    "FrameProcessor",
    "FramePushed",
    "FrameSerializer",
    "FunctionCallCancelFrame",
    "FunctionCallFromLLM",
    "FunctionCallInProgressFrame",
    "FunctionCallReportLevel",
    "FunctionCallResultFrame",
    "FunctionCallsStartedFrame",
    "HeartbeatFrame",
    "InlineProcessor",
    "InputAudioRawFrame",
    "InputDTMFFrame",
    "InputTransportMessageFrame",
    "InterimTranscriptionFrame",
    "InterruptionFrame",
    "KeypadEntry",
    "LLMConfigureOutputFrame",
    "LLMContextFrame",
    "LLMFullResponseEndFrame",
    "LLMFullResponseStartFrame",
    "LLMMessagesAppendFrame",
    "LLMMessagesFrame",
    "LLMMessagesUpdateFrame",
    "LLMRunFrame",
    "LLMService",
    "LLMTextFrame",
    "LifecycleFrame",
    "Limits",
    "Message",
    "MetricsData",
    "MetricsFrame",
    "MissingExtraError",
    "ModelFileError",
    "OutputAudioRawFrame",
    "OutputDTMFFrame",
    "OutputDTMFUrgentFrame",
    "OutputTransportMessageFrame",
    "OutputTransportMessageUrgentFrame",
    "ParallelPipeline",
    "Pipeline",
    "PipelineParams",
    "PipelineRunner",
    "PipelineTask",
    "Processor",
    "ProcessorSetup",
    "ProtobufFrameSerializer",
    "QueueFullError",
    "RTVIClientMessageFrame",
    "RTVIParams",
    "RTVIServerMessageFrame",
    "RTVIServerResponseFrame",
    "SegmentedSTTService",
    "ServiceError",
    "Session",
    "SessionClosed",
    "SessionTransport",
    "SileroVADAnalyzer",
    "StartFrame",
    "StopFrame",
    "SystemFrame",
    "TTSAudioRawFrame",
    "TTSService",
    "TTSSpeakFrame",
    "TTSStartedFrame",
    "TTSStoppedFrame",
    "TTSTextFrame",
    "TextFrame",
    "TranscriptionFrame",
    "TransportParams",
    "TransportStats",
    "UninterruptibleFrame",
    "UserStartedSpeakingFrame",
    "UserStoppedSpeakingFrame",
    "VADAnalyzer",
    "VADParams",
    "VADState",
    "VADUserStartedSpeakingFrame",
    "VADUserStoppedSpeakingFrame",
    "VoiceServer",
    "VoicewireError",
    "WebRTCVADAnalyzer",
    "WebsocketClientParams",
    "WebsocketClientTransport",
    "WebsocketServerParams",
    "WebsocketServerTransport",
    "WorkerError",
    "__version__",
    "install_as_pipecat",
    "serve",
]

if not TYPE_CHECKING:  # With it, a type checker would believe in any name whatever.

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value: object = version("voicewire")
        elif name in HOME_OF:
            value = getattr(import_module(HOME_OF[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value  # The next time it is found without coming here.
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
