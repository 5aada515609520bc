"""The chat client that every variant uses, with the label that says which calls are the model's."""

import asyncio
from typing import Any

import orchprof

API_KEY = "not-needed"  # the SDK refuses to start without one; a local endpoint ignores it


def client(base_url: str) -> Any:
    """Return an OpenAI client whose chat completions are labelled `chat`.

    Raises:
        ImportError: the `openai` package is missing.
    """
    from openai import OpenAI

    made = OpenAI(base_url=base_url, api_key=API_KEY)
    completions = made.chat.completions
    completions.create = orchprof.model("chat")(completions.create)
    return made


def async_client(base_url: str) -> Any:
    """Return the same for asyncio. It belongs to the event loop that uses it first, which should close it.

    Raises:
        ImportError: the `openai` package is missing.
    """
    from openai import AsyncOpenAI

    made = AsyncOpenAI(base_url=base_url, api_key=API_KEY)
    completions = made.chat.completions
    plain = completions.create

    # The SDK's method is a plain function that returns a coroutine: decorated, its creation would be timed.
    @orchprof.model("chat")
    async def create(**request: Any) -> Any:
        return await plain(**request)

    completions.create = create
    return made


class AsyncClients:
    """The asynchronous client of each event loop: pooled connections do not outlive their loop."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._held: dict[asyncio.AbstractEventLoop, Any] = {}

    def current(self) -> Any:
        """Return the running loop's client; a loop's first call makes it, which costs an SSL context."""
        loop = asyncio.get_running_loop()
        if loop not in self._held:
            self._held[loop] = async_client(self._base_url)
        return self._held[loop]

    async def aclose(self) -> None:
        """Close the running loop's client, if it has one."""
        client = self._held.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


def pad(text: str, tokens: int, source: str) -> str:
    """Return `text` followed by as much of `source` as makes it `tokens` long, at four characters a token.

    Args:
        text: what is really said; never shortened.
        tokens: the length to reach; 0 leaves the text alone.
        source: real text, used again from its start when it runs out; with none, nothing is added.
    """
    missing = tokens * 4 - len(text) - 2
    words = " ".join(source.replace("`", "").split())
    if missing <= 0 or not words:
        return text
    repeated = f"{words} " * (missing // len(words) + 1)
    return f"{text}\n\n{repeated[:missing]}"


def text_of(message: dict[str, Any]) -> str:
    """Return what a message says, whether its content is a string or a list of parts."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
