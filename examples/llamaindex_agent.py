"""A LlamaIndex function agent, which runs as a workflow."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from tools import add, population


async def main() -> None:
    """Ask the agent one question and print its answer."""
    model = OpenAILike(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        api_base=os.environ.get("OPENAI_BASE_URL"),
        api_key=os.environ.get("OPENAI_API_KEY"),
        is_chat_model=True,
        is_function_calling_model=True,
    )
    tools = [FunctionTool.from_defaults(fn=tool) for tool in (population, add)]
    agent = FunctionAgent(name="city_agent", tools=tools, llm=model)
    answer = await agent.run("How many people live in Paris and Berlin together?")
    print(answer)


if __name__ == "__main__":
    asyncio.run(main())
