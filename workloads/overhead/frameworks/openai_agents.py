"""The OpenAI Agents SDK."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
from openai import AsyncOpenAI

from ...chat import API_KEY
from ..framework import SYSTEM, Setting


@asynccontextmanager
async def open(setting: Setting) -> AsyncIterator[Callable[[str], Awaitable[str]]]:  # noqa: A001
    """Yield what to ask."""
    async with AsyncOpenAI(base_url=setting.base_url, api_key=API_KEY) as client:
        model = OpenAIChatCompletionsModel(setting.model, client)
        agent = Agent(name="agent", instructions=SYSTEM, model=model, tools=[function_tool(setting.noop)])

        async def ask(question: str) -> str:
            return str((await Runner.run(agent, question, max_turns=setting.limit)).final_output)

        yield ask
