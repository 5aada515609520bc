"""The Microsoft Agent Framework."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from agent_framework import Agent
from agent_framework.openai import OpenAIChatCompletionClient

from ...chat import API_KEY
from ..framework import SYSTEM, Setting


@asynccontextmanager
async def open(setting: Setting) -> AsyncIterator[Callable[[str], Awaitable[str]]]:  # noqa: A001
    """Yield what to ask."""
    client = OpenAIChatCompletionClient(model=setting.model, base_url=setting.base_url, api_key=API_KEY)
    client.function_invocation_configuration["max_iterations"] = setting.limit
    agent = Agent(client, SYSTEM, name="agent", tools=[setting.noop])

    async def ask(question: str) -> str:
        return str((await agent.run(question)).text)

    yield ask
    await client.client.close()
