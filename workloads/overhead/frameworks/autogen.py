"""AutoGen: its AssistantAgent, without a team."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken
from autogen_core.models import ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient

from ...chat import API_KEY
from ..framework import SYSTEM, Setting


@asynccontextmanager
async def open(setting: Setting) -> AsyncIterator[Callable[[str], Awaitable[str]]]:  # noqa: A001
    """Yield what to ask."""
    able = ModelInfo(
        vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False
    )
    model = OpenAIChatCompletionClient(
        model=setting.model, base_url=setting.base_url, api_key=API_KEY, model_info=able
    )
    agent = AssistantAgent(
        "agent", model, tools=[setting.noop], system_message=SYSTEM, max_tool_iterations=setting.limit
    )

    async def ask(question: str) -> str:
        await agent.on_reset(CancellationToken())  # it would go on with the last conversation
        return str((await agent.run(task=question)).messages[-1].content)

    yield ask
    await model.close()
