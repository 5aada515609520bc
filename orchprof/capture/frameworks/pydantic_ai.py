"""PydanticAI: agents, the nodes of their graph, function tools and models. Tools of MCP servers are that label's."""

import functools
import sys
from collections.abc import Callable
from typing import Any, Final

from orchprof.capture import flows, frames
from orchprof.capture.frameworks import wrap
from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_PROVIDERS: Final = (
    "anthropic", "bedrock", "cohere", "google", "groq", "huggingface", "mistral", "openai", "xai",
)  # fmt: skip
_OURS: Final = (flows.__file__, frames.__file__, wrap.__file__, __file__)


def hook(strands: Strands, patches: Patches) -> None:
    """Label agents, nodes, tools and models as the program imports them."""
    del strands

    def names(module: Any) -> None:
        patches.replace(module.AbstractAgent, "_infer_name", _infer_name)

    patches.when_imported("pydantic_ai.agent.abstract", names)
    around_all(patches, _CALLS)


def _infer_name(original: Callable[..., None]) -> Callable[..., None]:
    """Return the function under which an agent without a name takes that of the variable its caller holds it in.

    The frames of our wrappers are not the caller.
    """

    @functools.wraps(original)
    def infer(agent: Any, frame: Any) -> None:
        while frame is not None and frame.f_back is not None and frame.f_back.f_code.co_filename in _OURS:
            frame = frame.f_back
        original(agent, frame)

    return infer


def _run(agent: Any, *_: Any, **options: Any) -> Span:
    if agent.name is None and options.get("infer_name", True):
        agent._infer_name(sys._getframe())
    return _iterated(agent)


def _iterated(agent: Any, *_: Any, **__: Any) -> Span:
    return task(agent.name or type(agent).__name__)


def _node(node: Any, *_: Any, **__: Any) -> Span:
    return span(type(node).__name__)


def _tool(toolset: Any, name: str, *_: Any, **__: Any) -> Span:
    del toolset
    return tool(name)


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client.model_name)


_CALLS: Final[tuple[Calls, ...]] = (
    ("pydantic_ai.agent.abstract", "AbstractAgent", ("run", "run_sync"), _run),
    ("pydantic_ai.agent", "Agent", ("iter",), _iterated),
    ("pydantic_ai._agent_graph", "UserPromptNode", ("run",), _node),
    ("pydantic_ai._agent_graph", "ModelRequestNode", ("run",), _node),
    ("pydantic_ai._agent_graph", "CallToolsNode", ("run",), _node),
    ("pydantic_ai.toolsets.function", "FunctionToolset", ("call_tool",), _tool),
    *(
        (f"pydantic_ai.models.{provider}", "*", ("request", "request_stream"), _model)
        for provider in _PROVIDERS
    ),
)
