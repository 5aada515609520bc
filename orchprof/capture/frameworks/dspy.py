"""DSPy: the outermost module called is a task, those inside it are steps; tools and models go by their names."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, task, tool
from orchprof.capture.strands import Strands

_RUNS: Final = ("__call__", "acall")


def hook(strands: Strands, patches: Patches) -> None:
    """Label modules, tools and language models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _module(module: Any, *_: Any, **__: Any) -> Span:
    return task(type(module).__name__)


def _tool(used: Any, *_: Any, **__: Any) -> Span | None:
    # ReAct ends by a tool of its own, which is no tool of the user's.
    is_own = getattr(used.func, "__module__", "").startswith("dspy.")
    return None if is_own else tool(used.name)


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client.model)


_CALLS: Final[tuple[Calls, ...]] = (
    ("dspy.primitives.module", "Module", _RUNS, _module),
    ("dspy.adapters.types.tool", "Tool", _RUNS, _tool),
    ("dspy.clients.base_lm", "BaseLM", _RUNS, _model),
)
