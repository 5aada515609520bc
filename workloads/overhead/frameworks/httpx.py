"""No framework: an HTTP client that much stands on."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

import orchprof

from ..framework import Ask, Setting
from .loop import TOOLS, Message, looping


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    with httpx.Client(base_url=setting.base_url, timeout=60) as client:

        @orchprof.model("chat")
        def complete(messages: list[Message]) -> Message:
            request = {"model": setting.model, "messages": messages, "tools": TOOLS}
            reply = client.post("/chat/completions", json=request).raise_for_status()
            message: Message = reply.json()["choices"][0]["message"]
            return message

        yield looping(complete, setting)
