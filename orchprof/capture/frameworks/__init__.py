"""Labels: frameworks' own calls under the names their users gave. Time never depends on them, only its names do.

A file here is one family of libraries; it is loaded when the program imports one of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LABELS: Final[dict[str, tuple[str, ...]]] = {
    "agent_framework": ("agent_framework",),
    "autogen": ("autogen_agentchat", "autogen_core", "autogen_ext"),
    "crewai": ("crewai",),
    "dspy": ("dspy",),
    "haystack": ("haystack",),
    "langchain": ("langchain_core", "langgraph"),
    "llama_index": ("llama_index", "workflows"),
    "mcp": ("mcp",),
    "mini_swe_agent": ("minisweagent",),
    "openai_agents": ("agents",),
    "pydantic_ai": ("pydantic_ai",),
    "sdk": (
        "openai",
        "anthropic",
        "groq",
        "cerebras",
        "together",
        "mistralai",
        "cohere",
        "google.genai",
        "litellm",
    ),
    "smolagents": ("smolagents",),
}
