"""Haystack: its Agent component."""

from collections.abc import Iterator
from contextlib import contextmanager

from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack.utils import Secret

from ...chat import API_KEY
from ..framework import SYSTEM, Ask, Setting


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    generator = OpenAIChatGenerator(
        model=setting.model, api_base_url=setting.base_url, api_key=Secret.from_token(API_KEY)
    )
    agent = Agent(
        chat_generator=generator,
        tools=[create_tool_from_function(setting.noop)],
        system_prompt=SYSTEM,
        max_agent_steps=setting.limit,
    )
    agent.warm_up()
    yield lambda question: str(agent.run(messages=[ChatMessage.from_user(question)])["last_message"].text)
    generator.client.close()
