"""Why a goal is not reached, for the report: by the goal's name, shown only where it is short.

What stands here was seen with a profiler; look again when the figures move.
"""

_IMPORTS = (
    "NumPy, pydantic, protobuf and starlette are three fifths of it (`python -X importtime`); "
    "our own modules are a sixth"
)

REMARKS: dict[str, str] = {
    "importing what a bot needs, to Pipecat": _IMPORTS,
    "an idle server with Silero loaded, to Pipecat": _IMPORTS,
}
