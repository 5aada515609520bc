"""fanout: an agent calls several tools and sub-agents at once, so that much of what happens overlaps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..settings import at_least, one_of

if TYPE_CHECKING:
    from .bare import Agent

SUMMARY: Final = "survey files of the standard library with parallel tool calls and sub-agents"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "width": (1, "groups of files that are counted; each takes a call of all three tools, all at once"),
    "agents": (2, "sub-agents that run beside them, each with model calls and tool calls of its own"),
    "files": (3, "files in each group: what a call has to work through"),
    "delay_ms": (70, "what the remote site waits for before each file: a round trip to another coast"),
    "timeout_s": (
        10,
        "a remote file that says nothing for so long, or a child that runs so long, fails the task",
    ),
    "output_tokens": (0, "length of each of the model's turns (0 = as long as its text)"),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {"files": 2}
VARIANTS: Final = ("langgraph", "bare")
_TOOLS: Final = {"httpx": "httpx>=0.27", "openai": "openai>=1.99"}
REQUIRES: Final[dict[str, dict[str, str]]] = {
    "langgraph": {**_TOOLS, "langgraph": "langgraph>=1", "langchain_openai": "langchain-openai>=1"},
    "bare": _TOOLS,
}
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent, with the remote site started.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the tasks.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: not used; counting leaves nothing behind.

    Raises:
        ValueError: an unknown variant, or a setting out of range.
        ImportError: a package that the variant needs is missing.
    """
    del workdir
    one_of("fanout", "variant", variant, VARIANTS)
    least = {"width": 0, "agents": 0, "files": 1, "delay_ms": 0, "timeout_s": 1, "output_tokens": 0}
    at_least("fanout", settings, least)
    if not settings["width"] + settings["agents"]:
        raise ValueError("nothing to do, 0 @ fanout width and agents, give one of them 1 or more")
    if variant == "langgraph":
        from .graph import GraphAgent

        return GraphAgent(settings, seed, base_url, model)
    from .bare import BareAgent

    return BareAgent(settings, seed, base_url, model)
