"""Ending a telephone call over its provider's HTTP API."""

import asyncio
import logging

from voicewire.serializers import CallRequest

logger = logging.getLogger(__name__)

HANG_UP_SECS = 3.0
"""How long the provider may take for one attempt."""

ATTEMPTS = 2
"""A provider that is out of reach, or that answers 5xx, is asked once more."""

RETRY_SECS = 0.5


async def hang_up(request: CallRequest) -> bool:
    """Return whether the call has ended: by this, or before. What went wrong is logged, no more."""
    import httpx2  # Of the extra `telephony`: whoever gave credentials has it.

    async with httpx2.AsyncClient(timeout=HANG_UP_SECS) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(RETRY_SECS)
            try:
                answer = await client.request(
                    request.method, request.url, headers=request.headers, content=request.body
                )
            except httpx2.HTTPError as exc:
                # Its words may hold the URL, which names the account.
                logger.warning("the call could not be hung up: %s", type(exc).__name__)
                continue
            if answer.is_success or answer.status_code in request.statuses_if_gone:
                return True
            logger.warning("the call could not be hung up: HTTP %d", answer.status_code)
            if not answer.is_server_error:
                break
    return False
