"""mcp: an agent whose tools are in another process, behind the Model Context Protocol, answers about source code."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..settings import at_least, one_of

if TYPE_CHECKING:
    from .agent import McpAgent

SUMMARY: Final = "measure functions of the standard library with the tools of an MCP server"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "search": (
        "text",
        "what is searched for the function: text (every file is read) or name (file names only)",
    ),
    "window_lines": (60, "lines that one call reads; a longer function takes more calls"),
    "session": (
        "kept",
        "the server and its session are kept, as hosts do, or each task starts one: kept or fresh",
    ),
    "timeout_s": (30, "a tool call that takes so long fails the task"),
    "output_tokens": (0, "length of each of the model's turns (0 = as long as its text)"),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {"search": "name"}
VARIANTS: Final = ("stdio", "http")
_TOOLS: Final = {"mcp": "mcp>=2", "openai": "openai>=1.99"}
REQUIRES: Final[dict[str, dict[str, str]]] = {"stdio": _TOOLS, "http": _TOOLS}
ENV: Final[dict[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OTEL_SDK_DISABLED": "true",  # the MCP library makes spans where OpenTelemetry is set up
    "DO_NOT_TRACK": "1",
}
SCRIPT: Final = f"{__name__}.script:make"


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "McpAgent":
    """Return the agent; over HTTP, its server runs, over stdio each event loop starts its own.

    Args:
        settings: a value for every name in SETTINGS.
        seed: decides the tasks.
        variant: how client and server talk: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: not used; reading leaves nothing behind.

    Raises:
        ValueError: an unknown choice, or a setting out of range.
        ImportError: a package that the variant needs is missing.
    """
    del workdir
    one_of("mcp", "variant", variant, VARIANTS)
    one_of("mcp", "search", settings["search"], ("text", "name"))
    one_of("mcp", "session", settings["session"], ("kept", "fresh"))
    at_least("mcp", settings, {"window_lines": 1, "timeout_s": 1, "output_tokens": 0})
    from .agent import McpAgent

    return McpAgent(settings, seed, variant, base_url, model)
