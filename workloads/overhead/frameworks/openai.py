"""No framework: OpenAI's client."""

from collections.abc import Iterator
from contextlib import contextmanager

import openai  # noqa: F401  here, so that importing this module imports the framework

from ...chat import client as connect
from ..framework import Ask, Setting
from .loop import TOOLS, Message, looping


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    with connect(setting.base_url) as client:

        def complete(messages: list[Message]) -> Message:
            completion = client.chat.completions.create(model=setting.model, messages=messages, tools=TOOLS)
            message: Message = completion.choices[0].message.model_dump(exclude_none=True)
            return message

        yield looping(complete, setting)
