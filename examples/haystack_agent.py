"""A Haystack pipeline of one component, which is an agent."""

import os

from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from tools import add, population


def main() -> None:
    """Ask the agent one question and print its answer."""
    model = OpenAIChatGenerator(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), api_base_url=os.environ.get("OPENAI_BASE_URL")
    )
    tools = [create_tool_from_function(tool) for tool in (population, add)]
    pipeline = Pipeline()
    pipeline.add_component("city_agent", Agent(chat_generator=model, tools=tools))
    question = ChatMessage.from_user("How many people live in Paris and Berlin together?")
    outputs = pipeline.run({"city_agent": {"messages": [question]}})
    print(outputs["city_agent"]["last_message"].text)


if __name__ == "__main__":
    main()
