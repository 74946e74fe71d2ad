"""Why a goal is not reached, for the report: by the goal's name, shown only where it is short.

What stands here was seen with a profiler; look again when the figures move.
"""

_IMPORTS = (
    "NumPy, pydantic, protobuf and starlette are three fifths of it (`python -X importtime`); our"
    " own modules are a sixth. `import voicewire` alone loads none of them: 25 ms, 11 MB"
)

_CAPACITY = "held by the cost of a frame, see below"

_MAILBOX = (
    "the inline processor's cost, see below, and 7 µs for the mailbox: a task switch, and the way"
    " through the event loop"
)

_FRAME = (
    "kernel and WebSocket cost what the bare echo does; the other 34 µs are Python: some 45 calls"
    " that decode, check, pass on, cut, pace and encode. In a tight loop over 300 callers these "
    "take 10 µs; here each caller's turn comes after 20 ms, and finds the caches cold: one caller"
    " alone takes 8 µs in a tight loop, and 200 µs after 20 ms of spinning. Tried without gain: "
    "`__slots__`, all reads of a turn of the loop in one go, a rest between turns, huge pages. "
    "What helped: one heap for all timers, fewer calls (108 to 79), rare garbage collections"
)

_VAD = (
    "a batch begins 16 ms after the one before and finds the caches cold: 32 windows then take 33"
    " µs each in `SileroModel.infer`, and 18 right after another batch; Pipecat's follow one "
    "another without a pause. 12 µs go into cutting audio into windows and following the answers,"
    " 10 into the way to the worker and back. At full speed all of it takes 29 µs "
    "(`benchmarks/silero.py`)"
)

_JITTER = (
    "the machine compiled something else for some seconds in each of rounds 2 to 5; the run before,"
    " on a machine that did nothing else, had 1.4 (1.2-2.9) ms at 213 callers"
)

REMARKS: dict[str, str] = {
    "callers per core, echo, p99 < 60 ms, no glitch, to Pipecat on FastAPI": _CAPACITY,
    "the same with Silero on every caller": _CAPACITY,
    "CPU per frame to a bare echo: input, async processor, output": _MAILBOX,
    "the same with an inline processor": _FRAME,
    "CPU per 32 ms window of Silero, 64 callers, to Pipecat": _VAD,
    "output jitter p99 at 70 % of capacity": _JITTER,
    "importing what a bot needs, to Pipecat": _IMPORTS,
    "an idle server with Silero loaded, to Pipecat": _IMPORTS,
}
