"""What a client is told."""

from enum import StrEnum

from pydantic import Field

from voicewire.params import Params


class FunctionCallReportLevel(StrEnum):
    """How much of a function call a client is told: arguments and results may be secret."""

    DISABLED = "disabled"
    NONE = "none"
    """That there is a call, but not of which function."""
    NAME = "name"
    ARGUMENTS = "arguments"
    """The name too."""
    FULL = "full"
    """All of it, with the result."""


class RTVIParams(Params):
    """Which messages a client gets. The names are those of Pipecat's `RTVIObserverParams`.

    Attributes:
        bot_output_enabled: What the bot says, sentence by sentence, as it is said.
        bot_llm_enabled: The language model's answer, as it streams.
        bot_tts_enabled: Utterances of text-to-speech, and their words.
        bot_speaking_enabled: When the bot starts and stops to speak.
        user_llm_enabled: What the language model is asked.
        user_speaking_enabled: When the caller starts and stops to speak.
        user_transcription_enabled: What the caller says.
        metrics_enabled: What services measure, where the pipeline has them measure.
        errors_enabled: What goes wrong in the pipeline.
        function_call_report_level: By the function's name; `"*"` is for all others.
    """

    bot_output_enabled: bool = True
    bot_llm_enabled: bool = True
    bot_tts_enabled: bool = True
    bot_speaking_enabled: bool = True
    user_llm_enabled: bool = True
    user_speaking_enabled: bool = True
    user_transcription_enabled: bool = True
    metrics_enabled: bool = True
    errors_enabled: bool = True
    function_call_report_level: dict[str, FunctionCallReportLevel] = Field(
        default_factory=lambda: {"*": FunctionCallReportLevel.NONE}
    )
