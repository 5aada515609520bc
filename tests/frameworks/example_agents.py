"""Which example agents there are, and what a recording of each has to show."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Agent:
    """One unmodified agent: examples/NAME_agent.py.

    `needs` are modules without which it is skipped; `style` is how the model answers (scripted_models.STYLES); `task`
    is the name its one task gets; `steps` names of framework spans that must be there. Where all tools run behind one,
    `behind` is its name; `tools` are calls that the tools themselves do not count.
    """

    name: str
    needs: tuple[str, ...]
    task: str
    style: str = "in_turn"
    behind: str | None = None
    tools: dict[str, int] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()
    environment: dict[str, str] = field(default_factory=dict)


AGENTS = [
    Agent("dspy", ("dspy",), "CityAgent", "react", steps=frozenset({"ReAct", "Predict", "ChainOfThought"})),
    Agent("haystack", ("haystack",), "Pipeline", steps=frozenset({"city_agent", "step"})),
    Agent("langgraph", ("langgraph", "langchain_openai"), "city_agent", steps=frozenset({"model", "tools"})),
    Agent(
        "llamaindex",
        ("llama_index", "llama_index.llms.openai_like"),
        "city_agent",
        steps=frozenset({"run_agent_step", "call_tool", "aggregate_tool_results"}),
    ),
    Agent(
        "mini_swe_agent",
        ("minisweagent", "litellm"),
        "DefaultAgent",
        "shell",
        steps=frozenset({"step"}),
        behind="bash",
    ),
    Agent(
        "openai_agents",
        ("agents", "openai"),
        "front_desk",
        "handed_on",
        steps=frozenset({"front_desk", "city_expert"}),
    ),
    Agent("openai_agents_streamed", ("agents", "openai"), "city_agent", steps=frozenset({"city_agent"})),
    Agent("smolagents", ("smolagents",), "city_agent", "final_answer", steps=frozenset({"step"})),
    Agent(
        "smolagents_code",
        ("smolagents",),
        "city_coder",
        "code",
        tools={"python_interpreter": 3},
        steps=frozenset({"step"}),
    ),
    Agent(
        "pydantic_ai",
        ("pydantic_ai",),
        "city_agent",
        steps=frozenset({"UserPromptNode", "ModelRequestNode", "CallToolsNode"}),
    ),
    Agent(
        "mcp",
        ("pydantic_ai", "fastmcp"),
        "city_agent",
        tools={"population": 2, "add": 1},  # the client's side of each call, beside the server's
        steps=frozenset({"CallToolsNode"}),
    ),
    Agent("autogen", ("autogen_agentchat", "autogen_ext"), "city_team", steps=frozenset({"city_agent"})),
    Agent("agent_framework", ("agent_framework", "agent_framework_openai"), "city_agent"),
    Agent("crewai", ("crewai",), "city_crew", steps=frozenset({"question", "city_agent"})),
]
