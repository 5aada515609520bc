"""LangChain and LangGraph: graphs and chains are tasks, nodes are steps, tools and chat models go by their names."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_RUNS: Final = ("invoke", "ainvoke", "stream", "astream")


def hook(strands: Strands, patches: Patches) -> None:
    """Label graphs, chains, nodes, tools and models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _root(runnable: Any, *_: Any, **__: Any) -> Span:
    return task(runnable.get_name())


def _node(node: Any, *_: Any, **__: Any) -> Span:
    return span(node.name)


def _tool(used: Any, *_: Any, **__: Any) -> Span:
    return tool(used.name)


def _model(client: Any, *_: Any, **__: Any) -> Span:
    # Providers' classes call it the one or the other.
    name = getattr(client, "model_name", None) or getattr(client, "model", None)
    return model(name or type(client).__name__)


_CALLS: Final[tuple[Calls, ...]] = (
    ("langgraph.pregel.main", "Pregel", _RUNS, _root),
    ("langgraph.pregel._runner", "", ("run_with_retry", "arun_with_retry"), _node),
    ("langchain_core.runnables.base", "RunnableSequence", _RUNS, _root),
    ("langchain_core.tools.base", "BaseTool", ("run", "arun"), _tool),
    (
        "langchain_core.language_models.chat_models",
        "BaseChatModel",
        ("_generate_with_cache", "_agenerate_with_cache", "stream", "astream"),
        _model,
    ),
)
