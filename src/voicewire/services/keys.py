"""Keys of services: from an argument or the environment, and never from there into a log."""

import os

from voicewire.errors import ConfigurationError


class ApiKey:
    """A secret that its own text does not tell.

    Args:
        service: Whose it is, in an error.
        given: The key; None takes it from the environment.
        variable: The environment variable.

    Raises:
        ConfigurationError: There is no key, neither given nor in the environment.
    """

    def __init__(self, service: str, given: str | None, variable: str) -> None:
        self._value = given or os.environ.get(variable, "")
        if not self._value:
            raise ConfigurationError(
                f"{service} needs a key: give it as api_key, or set {variable} in the environment"
            )

    def reveal(self) -> str:
        """Return the key, for a request's header and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "ApiKey(…)"
