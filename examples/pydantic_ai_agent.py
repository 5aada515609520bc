"""An agent of PydanticAI, which runs plain functions on threads."""

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from tools import add, population


def main() -> None:
    """Ask the agent one question and print its answer."""
    model = OpenAIChatModel(os.environ.get("OPENAI_MODEL", "gpt-4o-mini"))
    city_agent = Agent(model, tools=[population, add])
    print(city_agent.run_sync("How many people live in Paris and Berlin together?").output)


if __name__ == "__main__":
    main()
