"""AutoGen: teams and agents, an agent's turn in a team, tools, models, and the user who is asked."""

from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands

_AGENTS: Final = ("_assistant_agent", "_code_executor_agent", "_society_of_mind_agent", "_user_proxy_agent")


def hook(strands: Strands, patches: Patches) -> None:
    """Label teams, agents, tools and models as the program imports them."""
    del strands
    around_all(patches, _CALLS)


def _run(runs: Any, *_: Any, **__: Any) -> Span:
    return task(runs.name)


def _turn(agent: Any, *_: Any, **__: Any) -> Span:
    return span(agent.name)


def _user(agent: Any, *_: Any, **__: Any) -> Span:
    return span(agent.name, "user")


def _tool(used: Any, *_: Any, **__: Any) -> Span:
    return tool(used.name)


def _model(client: Any, *_: Any, **__: Any) -> Span:
    return model(client._create_args["model"])


_CALLS: Final[tuple[Calls, ...]] = (
    ("autogen_agentchat.agents._base_chat_agent", "BaseChatAgent", ("run", "run_stream"), _run),
    ("autogen_agentchat.teams._group_chat._base_group_chat", "BaseGroupChat", ("run", "run_stream"), _run),
    *((f"autogen_agentchat.agents.{name}", "*", ("on_messages_stream",), _turn) for name in _AGENTS),
    ("autogen_agentchat.agents._user_proxy_agent", "UserProxyAgent", ("_get_input",), _user),
    ("autogen_core.tools._base", "BaseTool", ("run_json",), _tool),
    ("autogen_core.tools._base", "BaseStreamTool", ("run_json_stream",), _tool),
    ("autogen_ext.models.openai._openai_client", "*", ("create", "create_stream"), _model),
)
