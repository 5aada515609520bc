"""Haystack: pipelines and agents are tasks, components are steps, tools and generators go by their names."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_RUNS: Final = ("run", "run_async")


def hook(strands: Strands, patches: Patches) -> None:
    """Label pipelines, agents, components, tools and generators as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _pipeline(pipeline: Any, *_: Any, **__: Any) -> Span:
    return task(type(pipeline).__name__)


def _agent(agent: Any, *_: Any, **__: Any) -> Span:
    # In a pipeline it has the name that the pipeline gave it.
    return task(getattr(agent, "__component_name__", None) or type(agent).__name__)


def _component(component_name: str, *_: Any, **__: Any) -> Span:
    return span(component_name)


def _turn(*_: Any, **__: Any) -> Span:
    return span("step")


def _tool(used: Any, *_: Any, **__: Any) -> Span:
    return tool(used.name)


def _model(generator: Any, *_: Any, **__: Any) -> Span:
    return model(generator.model)


_CALLS: Final[tuple[Calls, ...]] = (
    ("haystack.core.pipeline.pipeline", "Pipeline", (*_RUNS, "run_async_generator"), _pipeline),
    ("haystack.core.pipeline.pipeline", "Pipeline", ("_run_component", "_run_component_async"), _component),
    ("haystack.components.agents.agent", "Agent", _RUNS, _agent),
    ("haystack.components.agents.agent", "Agent", ("_run_step", "_run_step_async"), _turn),
    ("haystack.tools.tool", "Tool", ("invoke", "invoke_async"), _tool),
    ("haystack.components.generators.chat.openai", "OpenAIChatGenerator", _RUNS, _model),
    ("haystack.components.generators.chat.openai_responses", "OpenAIResponsesChatGenerator", _RUNS, _model),
)
