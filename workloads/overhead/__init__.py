"""overhead: steps that do nothing, through every framework, so that what is left is what the framework costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..settings import at_least, one_of

if TYPE_CHECKING:
    from .agent import Agent

SUMMARY: Final = "call a tool that does nothing, again and again: what a framework itself costs per step"
SETTINGS: Final[dict[str, tuple[Any, str]]] = {
    "steps": (10, "calls of the tool in one task, one model call each; one more model call gives the answer"),
}
TASKS: Final = 20  # measured when nobody says how many
QUICK: Final[dict[str, Any]] = {}
_OPENAI: Final = {"openai": "openai>=1.99"}
# For each variant the modules that it needs, and the requirements that bring them. `raw` is the standard library.
REQUIRES: Final[dict[str, dict[str, str]]] = {
    "raw": {},
    "httpx": {"httpx": "httpx>=0.27"},
    "openai": _OPENAI,
    "haystack": {"haystack": "haystack-ai>=3"},
    "langgraph": {
        "langgraph": "langgraph>=1",
        "langchain": "langchain>=1",
        "langchain_openai": "langchain-openai>=1",
    },
    "mini-swe-agent": {"minisweagent": "mini-swe-agent>=2.0", **_OPENAI},
    "openai-agents": {"agents": "openai-agents>=0.20"},
    "llama-index": {
        "llama_index": "llama-index-core>=0.14",
        "openai": "llama-index-llms-openai-like>=0.8",
    },
    "dspy": {"dspy": "dspy>=3.4"},
    "smolagents": {"smolagents": "smolagents>=1.26", **_OPENAI},
    "pydantic-ai": {"pydantic_ai": "pydantic-ai-slim>=2", **_OPENAI},
    "autogen": {
        "autogen_agentchat": "autogen-agentchat>=0.7",
        "autogen_ext": "autogen-ext[openai]>=0.7",
        **_OPENAI,
    },
    "agent-framework": {
        "agent_framework": "agent-framework-core>=1.23",
        "agent_framework_openai": "agent-framework-openai>=1.17",
    },
    "crewai": {"crewai": "crewai>=1.15"},
}
VARIANTS: Final = tuple(REQUIRES)
ENV: Final[dict[str, str]] = {
    "ANONYMIZED_TELEMETRY": "False",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MSWEA_SILENT_STARTUP": "1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}
SCRIPT: Final = f"{__name__}.script:make"


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> "Agent":
    """Return the agent.

    Args:
        settings: a value for every name in SETTINGS.
        seed: not used; every task is the same.
        variant: one of VARIANTS.
        base_url: the model endpoint's, up to and including `/v1`.
        model: the name to ask the endpoint for.
        workdir: where a framework may keep its own settings.

    Raises:
        ValueError: an unknown variant, or a setting out of range.
        ImportError: a package that the variant needs is missing.
    """
    del seed
    one_of("overhead", "variant", variant, VARIANTS)
    at_least("overhead", settings, {"steps": 1})
    from .agent import Agent

    return Agent(settings["steps"], variant, base_url, model, workdir)
