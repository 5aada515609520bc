"""LlamaIndex: workflows and agents are tasks, their steps are steps, tools and models go by their names."""

import functools
from collections.abc import Callable
from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all, under
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_TOOLS: Final = (
    ("function_tool", "FunctionTool"),
    ("query_engine", "QueryEngineTool"),
    ("retriever_tool", "RetrieverTool"),
)
_MODELS: Final = (
    "anthropic", "azure_openai", "bedrock_converse", "google_genai", "mistralai", "ollama", "openai", "openai_like",
)  # fmt: skip
_ANSWERS: Final = (
    "chat", "stream_chat", "achat", "astream_chat", "complete", "stream_complete", "acomplete", "astream_complete",
)  # fmt: skip
_STEPS: Final = "workflows.runtime.types.step_function"


def hook(strands: Strands, patches: Patches) -> None:
    """Label workflows, steps, tools and models as the program imports them."""
    del strands

    def steps(module: Any) -> None:
        patches.replace(module, "as_step_worker_function", functools.partial(_labelled_steps, patches))

    patches.when_imported(_STEPS, steps)
    around_all(patches, _CALLS)


def _labelled_steps(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes steps' functions, with every step that it makes under a span: nothing else calls them all."""

    @functools.wraps(original)
    def make(function: Any) -> Any:
        return under(patches, f"{_STEPS}:step", original(function), _step)

    return make


def _run(runner: Any, *_: Any, **__: Any) -> Span:
    workflow = runner.workflow
    return task(getattr(workflow, "name", None) or type(workflow).__name__)


def _step(*_: Any, step_name: str, **__: Any) -> Span:
    return span(step_name)


def _tool(used: Any, *_: Any, **__: Any) -> Span:
    return tool(used.metadata.get_name())


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client.metadata.model_name)


_CALLS: Final[tuple[Calls, ...]] = (
    ("workflows.runtime.control_loop.runner", "_ControlLoopRunner", ("run",), _run),
    *((f"llama_index.core.tools.{module}", owner, ("call", "acall"), _tool) for module, owner in _TOOLS),
    *((f"llama_index.llms.{provider}.base", "*", _ANSWERS, _model) for provider in _MODELS),
)
