"""The connection to a server that speaks OpenAI's HTTP."""

from contextlib import AbstractContextManager
from typing import Any

from voicewire.errors import ConfigurationError
from voicewire.services.shared_clients import ClientShare
from voicewire.services.vendor import MAX_RETRIES, import_vendor, telling_plainly


class OpenAIClient:
    """The official client, there when the pipeline is set up; all callers share its connections.

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
        self._share: ClientShare | None = None

    async def open(self) -> None:
        """Make the client.

        Raises:
            MissingExtraError: The `openai` package is not installed.
            ConfigurationError: There is no key, neither here nor in the environment.
        """
        what = ("openai", self.base_url, self.api_key, self._timeout_secs)
        self._share = ClientShare(what, self._make_client)
        await self._share.open()

    async def close(self) -> None:
        if self._share is not None:
            await self._share.close()

    @property
    def api(self) -> Any:
        """The open client."""
        client = self._share.client if self._share is not None else None
        if client is None:
            raise RuntimeError(f"{self._service} is not part of a running pipeline yet")
        return client

    def telling_plainly(self) -> AbstractContextManager[None]:
        """Turn what goes wrong with a request into a `ServiceError` without the key."""
        return telling_plainly(self._service, self.api.api_key)

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
