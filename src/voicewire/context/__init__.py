"""What a language model is asked: the conversation so far, and the tools that it may call."""

from voicewire.context.context import LLMContext
from voicewire.context.tools import FunctionSchema, ToolsSchema, schema_of, tool

__all__ = ["FunctionSchema", "LLMContext", "ToolsSchema", "schema_of", "tool"]
