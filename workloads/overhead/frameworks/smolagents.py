"""smolagents: its agent that calls tools."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from smolagents import OpenAIModel, Tool, ToolCallingAgent

from ...chat import API_KEY
from ..framework import Ask, Setting


class Noop(Tool):  # type: ignore[misc]  # the package is not typed
    """The tool as a class: its decorator wants the source of a function that stands by itself."""

    name = "noop"
    description = "Do nothing."
    inputs = {"number": {"type": "integer", "description": "Which call this is."}}  # noqa: RUF012
    output_type = "string"

    def __init__(self, noop: Callable[[int], str]) -> None:
        super().__init__()
        self.noop = noop

    def forward(self, number: Any) -> Any:
        """Do nothing."""
        return self.noop(number)


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    model = OpenAIModel(setting.model, api_base=setting.base_url, api_key=API_KEY)
    agent = ToolCallingAgent([Noop(setting.noop)], model, max_steps=setting.limit, verbosity_level=0)
    yield lambda question: str(agent.run(question))
