"""Processors in a row, and what runs them."""

from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.observers import BaseObserver, FramePushed
from voicewire.pipeline.parallel import ParallelPipeline
from voicewire.pipeline.pipeline import Pipeline
from voicewire.pipeline.processor import (
    FrameProcessor,
    InlineProcessor,
    Processor,
    ProcessorSetup,
    Role,
)
from voicewire.pipeline.runner import PipelineRunner
from voicewire.pipeline.task import PipelineParams, PipelineTask

__all__ = [
    "BaseObserver",
    "FrameDirection",
    "FrameProcessor",
    "FramePushed",
    "InlineProcessor",
    "ParallelPipeline",
    "Pipeline",
    "PipelineParams",
    "PipelineRunner",
    "PipelineTask",
    "Processor",
    "ProcessorSetup",
    "Role",
]
