"""Labels: frameworks' own calls under the names their users gave. Time never depends on them, only its names do."""

from typing import Final

from orchprof.record.hooks.labels import (
    agent_framework,
    autogen,
    crewai,
    dspy,
    haystack,
    langchain,
    llama_index,
    mcp,
    mini_swe_agent,
    openai_agents,
    pydantic_ai,
    sdk,
    smolagents,
)

LABELS: Final = {
    "agent_framework": agent_framework.hook,
    "autogen": autogen.hook,
    "crewai": crewai.hook,
    "dspy": dspy.hook,
    "haystack": haystack.hook,
    "langchain": langchain.hook,
    "llama_index": llama_index.hook,
    "mcp": mcp.hook,
    "mini_swe_agent": mini_swe_agent.hook,
    "openai_agents": openai_agents.hook,
    "pydantic_ai": pydantic_ai.hook,
    "sdk": sdk.hook,
    "smolagents": smolagents.hook,
}
