"""LlamaIndex: its FunctionAgent, which runs as a workflow."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

from ...chat import API_KEY
from ..framework import SYSTEM, Setting


@asynccontextmanager
async def open(setting: Setting) -> AsyncIterator[Callable[[str], Awaitable[str]]]:  # noqa: A001
    """Yield what to ask."""
    model = OpenAILike(
        model=setting.model,
        api_base=setting.base_url,
        api_key=API_KEY,
        is_chat_model=True,
        is_function_calling_model=True,
    )
    tool = FunctionTool.from_defaults(fn=setting.noop)
    agent = FunctionAgent(tools=[tool], llm=model, system_prompt=SYSTEM, streaming=False)

    async def ask(question: str) -> str:
        return str(await agent.run(question, max_iterations=setting.limit))

    yield ask
