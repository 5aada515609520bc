"""CrewAI: a crew of one agent with one task; nothing is cached."""

from collections.abc import Iterator
from contextlib import contextmanager

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

from ...chat import API_KEY
from ..framework import SYSTEM, Ask, Setting


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    agent = Agent(
        role="agent",
        goal=SYSTEM,
        backstory=SYSTEM,
        tools=[tool("noop")(setting.noop)],
        llm=LLM(setting.model, provider="openai", base_url=setting.base_url, api_key=API_KEY),
        max_iter=setting.limit,
        cache=False,
    )

    def ask(question: str) -> str:
        task = Task(description=question, expected_output="One line.", agent=agent)
        return str(Crew(agents=[agent], tasks=[task], cache=False).kickoff().raw)

    yield ask
