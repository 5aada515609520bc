"""PydanticAI, which runs plain functions on threads."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from pydantic_ai import Agent, UsageLimits
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from ...chat import API_KEY
from ..framework import SYSTEM, Setting


@asynccontextmanager
async def open(setting: Setting) -> AsyncIterator[Callable[[str], Awaitable[str]]]:  # noqa: A001
    """Yield what to ask."""
    async with AsyncOpenAI(base_url=setting.base_url, api_key=API_KEY) as client:
        model = OpenAIChatModel(setting.model, provider=OpenAIProvider(openai_client=client))
        agent = Agent(model, instructions=SYSTEM, tools=[setting.noop])
        limits = UsageLimits(request_limit=setting.limit)

        async def ask(question: str) -> str:
            return str((await agent.run(question, usage_limits=limits)).output)

        yield ask
