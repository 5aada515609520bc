"""An assistant of AutoGen in a team of one, whose messages are read as they come."""

import asyncio
import os

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient
from tools import add, population


async def main() -> None:
    """Ask the team one question and print its answer."""
    able = ModelInfo(
        vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False
    )
    model = OpenAIChatCompletionClient(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), model_info=able)
    agent = AssistantAgent("city_agent", model, tools=[population, add], max_tool_iterations=5)
    team = RoundRobinGroupChat(
        [agent], name="city_team", termination_condition=TextMessageTermination("city_agent")
    )
    async for message in team.run_stream(task="How many people live in Paris and Berlin together?"):
        last = message
    print(last.messages[-1].content)
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())
