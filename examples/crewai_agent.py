"""A crew of CrewAI: one agent with one task."""

import os

import tools
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool


@tool("population")
def population(city: str) -> int:
    """Return how many people live in a city."""
    return tools.population(city)


@tool("add")
def add(a: int, b: int) -> int:
    """Return the sum of two whole numbers."""
    return tools.add(a, b)


def main() -> None:
    """Ask the crew one question and print its answer."""
    agent = Agent(
        role="city_agent",
        goal="Answer questions about cities.",
        backstory="A geographer.",
        tools=[population, add],
        llm=LLM(os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), provider="openai"),
    )
    question = Task(
        name="question",
        description="How many people live in Paris and Berlin together?",
        expected_output="One sentence.",
        agent=agent,
    )
    print(Crew(name="city_crew", agents=[agent], tasks=[question]).kickoff().raw)


if __name__ == "__main__":
    main()
