"""Why a goal is not reached, for the report: by the goal's name, shown only where it is short."""

REMARKS: dict[str, str] = {}
