"""mini-swe-agent: a run is a task, each query with its actions a step, each command a call of the tool `bash`."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_MODELS: Final = (
    "litellm_model", "litellm_response_model", "litellm_textbased_model", "openrouter_model",
    "openrouter_response_model", "openrouter_textbased_model", "portkey_model", "portkey_response_model",
    "requesty_model",
)  # fmt: skip
_ENVIRONMENTS: Final = ("local", "docker", "singularity")


def hook(strands: Strands, patches: Patches) -> None:
    """Label runs, steps, commands and models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _run(agent: Any, *_: Any, **__: Any) -> Span:
    return task(type(agent).__name__)


def _step(*_: Any, **__: Any) -> Span:
    return span("step")


def _command(*_: Any, **__: Any) -> Span:
    return tool("bash")


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client.config.model_name)


_CALLS: Final[tuple[Calls, ...]] = (
    ("minisweagent.agents.default", "DefaultAgent", ("run",), _run),
    ("minisweagent.agents.default", "DefaultAgent", ("step",), _step),
    *((f"minisweagent.environments.{name}", "*", ("execute",), _command) for name in _ENVIRONMENTS),
    *((f"minisweagent.models.{name}", "*", ("query",), _model) for name in _MODELS),
)
