"""What it costs to import what a bot with voice activity detection needs.

python -m benchmarks.bots.imports {nothing,voicewire,pipecat}, in the environment of that side.
"""

import importlib
import json
import sys
import time

from benchmarks.bots.process import resident_mb

NAMES = {
    "nothing": {},
    "voicewire": {
        "voicewire": (
            "FrameProcessor Pipeline PipelineTask PipelineRunner InputAudioRawFrame "
            "OutputAudioRawFrame WebsocketServerParams WebsocketServerTransport SileroVADAnalyzer"
        )
    },
    "pipecat": {
        "pipecat.processors.frame_processor": "FrameProcessor",
        "pipecat.pipeline.pipeline": "Pipeline",
        "pipecat.pipeline.worker": "PipelineWorker PipelineParams",
        "pipecat.workers.runner": "WorkerRunner",
        "pipecat.frames.frames": "InputAudioRawFrame OutputAudioRawFrame",
        "pipecat.transports.websocket.server": "SingleClientWebsocketServerTransport",
        "pipecat.serializers.protobuf": "ProtobufFrameSerializer",
        "pipecat.audio.vad.silero": "SileroVADAnalyzer",
        "pipecat.processors.audio.vad_processor": "VADProcessor",
    },
}


def main(side: str) -> None:
    for module, names in NAMES[side].items():
        imported = importlib.import_module(module)
        for name in names.split():
            getattr(imported, name)
    print(json.dumps({"cpu_secs": time.process_time(), "rss_mb": resident_mb()}))


if __name__ == "__main__":
    main(sys.argv[1])
