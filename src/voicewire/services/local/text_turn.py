"""Whether somebody has finished, by their words: the language model on this machine."""

import math
import re
from datetime import datetime

from voicewire.services.local.answers import answer
from voicewire.services.local.language import LANGUAGE_MODEL, LanguageServer
from voicewire.services.local.prompt import SYSTEM_PROMPT
from voicewire.services.openai_client import OpenAIClient

_NUM_CANDIDATES = 50
"""Next tokens whose probabilities are asked for: an end that is not among them is improbable."""

_GOES_ON = re.compile(r"\bafter me\W*$", re.IGNORECASE)
"""What is to be repeated comes behind this, though there is a ready answer to it alone."""

_ASKED = 0.5
"""How likely a text is to end with its question mark."""

_MAX_CHARS = 300
"""Of the text's end that are read."""

_TIMEOUT_SECS = 2.0
_ENDS = (".", "?", "!", "\n", "<|im_end|>", "")
"""Tokens, without leading blanks, with which a text may end; the empty one ends the message."""


class LocalTextTurnAnalyzer:
    """SmolLM2, asked how probable it is that the text goes on with the end of a sentence.

    The way of LiveKit's turn detector, with a model that was not trained for it: it tells "what is
    the capital of" from "what is the capital of France" by orders of magnitude. 20 to 80 ms.
    """

    def __init__(self) -> None:
        self._server = LanguageServer.shared()
        self._client = OpenAIClient(
            "the turn analyzer", base_url=None, api_key=None, timeout_secs=_TIMEOUT_SECS
        )

    async def ready(self) -> None:
        """Load the model."""
        await self._server.ready()
        self._client.base_url = self._server.base_url
        self._client.api_key = self._server.api_key
        await self._client.open()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.close()

    async def judge(self, text: str) -> float:
        """Return how likely the text ends here, 0..1.

        Small talk that has a ready answer is complete by itself. A question mark, which speech
        recognition sets by what it has heard, counts for something whatever the model thinks.
        """
        if _GOES_ON.search(text):
            return 0.0
        if answer(text, datetime.now().astimezone()) is not None:
            return 1.0
        least = _ASKED if text.rstrip().endswith("?") else 0.0
        words = text[-_MAX_CHARS:].rstrip(" .?!,…")
        prompt = f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>\n<|im_start|>user\n{words}"
        completion = await self._client.api.completions.create(
            model=LANGUAGE_MODEL,
            prompt=prompt,
            max_tokens=1,
            temperature=0,
            logprobs=_NUM_CANDIDATES,
        )
        # llama.cpp gives them in the form of chat completions.
        (token,) = completion.choices[0].model_dump()["logprobs"]["content"]
        ends = (each for each in token["top_logprobs"] if _is_end(each["token"]))
        return max(least, sum(math.exp(each["logprob"]) for each in ends))


def _is_end(token: str) -> bool:
    stripped = token.strip(" ")
    return stripped in _ENDS or stripped[:1] in (".", "?", "!", "\n")
