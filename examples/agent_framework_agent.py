"""An agent of the Microsoft Agent Framework, whose answer is read as it comes."""

import asyncio
import os

from agent_framework import Agent
from agent_framework.openai import OpenAIChatCompletionClient
from tools import add, population


async def main() -> None:
    """Ask the agent one question and print its answer."""
    client = OpenAIChatCompletionClient(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"))
    agent = Agent(client, name="city_agent", tools=[population, add])
    async for update in agent.run("How many people live in Paris and Berlin together?", stream=True):
        print(update.text, end="")
    print()


if __name__ == "__main__":
    asyncio.run(main())
