"""The connection to a server that speaks OpenAI's HTTP."""

import asyncio
from contextlib import AbstractContextManager
from typing import Any

from voicewire.errors import ConfigurationError
from voicewire.services.vendor import MAX_RETRIES, import_vendor, telling_plainly


class OpenAIClient:
    """The official client, made when the pipeline is set up.

    Args:
        service: Whose it is, in an error.
        base_url: Where the server is, such as `http://localhost:8000/v1`; None is OpenAI itself.
        api_key: None takes it from the environment variable `OPENAI_API_KEY`.
        timeout_secs: Longest wait for the server's next bytes.
    """

    def __init__(
        self, service: str, *, base_url: str | None, api_key: str | None, timeout_secs: float
    ) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self._service = service
        self._timeout_secs = timeout_secs
        self._client: Any = None

    async def open(self) -> None:
        """Make the client.

        Raises:
            MissingExtraError: The `openai` package is not installed.
            ConfigurationError: There is no key, neither here nor in the environment.
        """
        # Takes a good part of a second, for the package alone: not on the event loop.
        self._client = await asyncio.to_thread(self._make_client)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def api(self) -> Any:
        """The open client."""
        if self._client is None:
            raise RuntimeError(f"{self._service} is not part of a running pipeline yet")
        return self._client

    def telling_plainly(self) -> AbstractContextManager[None]:
        """Turn what goes wrong with a request into a `ServiceError` without the key."""
        return telling_plainly(self._service, getattr(self._client, "api_key", None))

    def _make_client(self) -> Any:
        openai = import_vendor("openai", "openai", needed_for=self._service)
        try:
            client = openai.AsyncOpenAI(
                base_url=self.base_url,
                api_key=self.api_key,
                timeout=self._timeout_secs,
                max_retries=MAX_RETRIES,
            )
        except openai.OpenAIError as exc:
            raise ConfigurationError(f"{self._service}: {exc}") from exc
        _ = client.chat, client.audio  # They are loaded when they are first asked for.
        return client
