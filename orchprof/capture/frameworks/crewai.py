"""CrewAI: crews, flows and agents on their own, a crew's tasks and their agents, tools and models."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_PROVIDERS: Final = ("anthropic", "azure", "bedrock", "gemini", "openai")


def hook(strands: Strands, patches: Patches) -> None:
    """Label crews, flows, tasks, agents, tools and models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _run(runs: Any, *_: Any, **__: Any) -> Span | None:
    """Return the task; one that streams runs itself again, not streaming, on the strand that is then the task's."""
    return None if runs.stream else task(runs.name or type(runs).__name__)


def _agent(agent: Any, *_: Any, **__: Any) -> Span:
    return task(agent.role)


def _method(flow: Any, name: str, *_: Any, **__: Any) -> Span:
    del flow
    return span(name)


def _step(step: Any, *_: Any, **__: Any) -> Span:
    return span(step.name or type(step).__name__)


def _turn(agent: Any, *_: Any, **__: Any) -> Span:
    return span(agent.role)


def _tool(used: Any, *_: Any, **__: Any) -> Span:
    return tool(used.name)


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client.model)


_CALLS: Final[tuple[Calls, ...]] = (
    ("crewai.crew", "Crew", ("kickoff", "kickoff_async", "akickoff"), _run),
    ("crewai.flow.runtime", "Flow", ("kickoff", "kickoff_async"), _run),
    ("crewai.flow.runtime", "Flow", ("_execute_method",), _method),
    ("crewai.agent.core", "Agent", ("kickoff", "kickoff_async", "akickoff"), _agent),
    ("crewai.agent.core", "Agent", ("execute_task", "aexecute_task"), _turn),
    ("crewai.task", "Task", ("_execute_core", "_aexecute_core"), _step),
    ("crewai.tools.base_tool", "*", ("run", "arun"), _tool),
    ("crewai.tools.structured_tool", "CrewStructuredTool", ("invoke", "ainvoke"), _tool),
    ("crewai.llm", "*", ("call", "acall"), _model),
    *((f"crewai.llms.providers.{name}.completion", "*", ("call", "acall"), _model) for name in _PROVIDERS),
)
