"""The OpenAI Agents SDK: a run is a task of the agent's name, its turns are steps of whichever agent takes them."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_ANSWERS: Final = ("get_response", "stream_response")


def hook(strands: Strands, patches: Patches) -> None:
    """Label runs, turns, function tools and models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _run(_runner: Any, starting_agent: Any, *_: Any, **__: Any) -> Span:
    return task(starting_agent.name)


def _streamed(*_: Any, starting_agent: Any, **__: Any) -> Span:
    return task(starting_agent.name)


def _turn(*positional: Any, bindings: Any = None, **_: Any) -> Span:
    # After a handoff it is another agent's. A streamed run passes the result first.
    return span((bindings or positional[1]).public_agent.name)


def _tool(*, function_tool: Any, **_: Any) -> Span:
    return tool(function_tool.name)


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(str(client.model))


_CALLS: Final[tuple[Calls, ...]] = (
    ("agents.run", "AgentRunner", ("run",), _run),
    ("agents.run", "", ("start_streaming",), _streamed),
    ("agents.run", "", ("run_single_turn",), _turn),
    ("agents.run_internal.run_loop", "", ("run_single_turn_streamed",), _turn),
    ("agents.run_internal.tool_execution", "", ("_invoke_function_tool_with_metadata",), _tool),
    ("agents.models.openai_chatcompletions", "OpenAIChatCompletionsModel", _ANSWERS, _model),
    ("agents.models.openai_responses", "OpenAIResponsesModel", _ANSWERS, _model),
    ("agents.extensions.models.litellm_model", "LitellmModel", _ANSWERS, _model),
)
