"""smolagents: agents, their steps and plans, tools, the code that an agent writes, and models.

`final_answer` is how an agent ends, not a tool that somebody wrote: it gets no span. The code of a `CodeAgent` is a
call of the tool that smolagents itself names `python_interpreter`; tools that the code calls are inside it.
"""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_FINAL_ANSWER: Final = ("smolagents.default_tools", "FinalAnswerTool")


def hook(strands: Strands, patches: Patches) -> None:
    """Label agents, tools, executors and models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _run(agent: Any, *_: Any, **__: Any) -> Span:
    return task(agent.name or type(agent).__name__)


def _plan(*_: Any, **__: Any) -> Span:
    return span("planning")


def _step(*_: Any, **__: Any) -> Span:
    return span("step")


def _tool(used: Any, *_: Any, **__: Any) -> Span | None:
    kind = type(used)
    return None if (kind.__module__, kind.__name__) == _FINAL_ANSWER else tool(used.name)


def _code(*_: Any, **__: Any) -> Span:
    return tool("python_interpreter")


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client.model_id or type(client).__name__)


_CALLS: Final[tuple[Calls, ...]] = (
    ("smolagents.agents", "MultiStepAgent", ("run",), _run),
    ("smolagents.agents", "MultiStepAgent", ("_generate_planning_step",), _plan),
    ("smolagents.agents", "*", ("_step_stream",), _step),
    ("smolagents.tools", "*", ("__call__",), _tool),
    ("smolagents.local_python_executor", "LocalPythonExecutor", ("__call__",), _code),
    ("smolagents.remote_executors", "RemotePythonExecutor", ("__call__",), _code),
    ("smolagents.models", "*", ("generate", "generate_stream"), _model),
)
