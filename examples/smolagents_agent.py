"""An agent of smolagents that calls tools."""

import os

import tools
from smolagents import OpenAIModel, ToolCallingAgent, tool


@tool
def population(city: str) -> int:
    """Return how many people live in a city.

    Args:
        city: The city's name.
    """
    return tools.population(city)


@tool
def add(a: int, b: int) -> int:
    """Return the sum of two whole numbers.

    Args:
        a: The one.
        b: The other.
    """
    return tools.add(a, b)


def main() -> None:
    """Ask the agent one question and print its answer."""
    model = OpenAIModel(
        os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        api_base=os.environ.get("OPENAI_BASE_URL"),
        api_key=os.environ["OPENAI_API_KEY"],
    )
    agent = ToolCallingAgent([population, add], model, name="city_agent", verbosity_level=0)
    print(agent.run("How many people live in Paris and Berlin together?"))


if __name__ == "__main__":
    main()
