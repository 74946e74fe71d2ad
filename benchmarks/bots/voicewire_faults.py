"""Our server with the bot of the fault comparison; see `benchmarks.faults`.

python -m benchmarks.bots.voicewire_faults PORT [--places N] [--own-page ORIGIN]
[--session-timeout SECS]
"""

import argparse
import asyncio

from benchmarks.bots.numbered import SAMPLE_RATE, Heard, blocks
from benchmarks.bots.process import announce, prepare
from voicewire import (
    BaseTransport,
    ClientConnection,
    Frame,
    FrameDirection,
    FrameProcessor,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    Limits,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    WebsocketServerParams,
)
from voicewire.sessions import serve

HEARD = Heard()
"""By all bots of this process."""


class Bot(FrameProcessor):
    """Says what it hears, until it is asked to say something else; and tells what it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self._echoes = True
        self._saying: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            HEARD.add(frame.audio)
            if self._echoes:
                self.push(OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels))
        elif isinstance(frame, InputTransportMessageFrame):
            self._obey(frame.message)
        else:
            self.push(frame, direction)

    def _obey(self, wish: dict[str, float]) -> None:
        if wish["type"] == "say":
            self._echoes = False
            self._saying = asyncio.create_task(self._say(wish))
        elif wish["type"] == "heard":
            asked = range(int(wish["first"]), int(wish["first"] + wish["blocks"]))
            told = {"missing": HEARD.missing(asked), "repeated": HEARD.repeated(asked)}
            self.push(OutputTransportMessageUrgentFrame(told))

    async def _say(self, wish: dict[str, float]) -> None:
        size, first = int(wish["blocks"]), int(wish["first"])
        for number in range(int(wish["pieces"])):
            speech = blocks(first + number * size, size)
            self.push(OutputAudioRawFrame(speech, SAMPLE_RATE, 1))
            await asyncio.sleep(wish["every_secs"])


async def bot(transport: BaseTransport) -> None:
    task = PipelineTask(Pipeline([transport.input(), Bot(), transport.output()]))

    @transport.event_handler("on_session_timeout")
    async def end(transport: BaseTransport, client: ClientConnection) -> None:
        await task.cancel()

    await PipelineRunner().run(task)


def main(options: argparse.Namespace) -> None:
    params = WebsocketServerParams(
        audio_in_enabled=True,
        audio_in_sample_rate=SAMPLE_RATE,
        audio_out_enabled=True,
        audio_out_sample_rate=SAMPLE_RATE,
        session_timeout=options.session_timeout,
        allowed_origins=[options.own_page] if options.own_page else None,
    )
    limits = Limits(max_sessions=options.places) if options.places else Limits()
    serve(bot, host="127.0.0.1", port=options.port, params=params, limits=limits, on_ready=announce)


if __name__ == "__main__":
    prepare()
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--places", type=int)
    parser.add_argument("--own-page")
    parser.add_argument("--session-timeout", type=float)
    main(parser.parse_args())
