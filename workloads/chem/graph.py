"""The LangGraph variant: LangChain's agent, a graph of a model and its tools."""

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI

from ..chat import API_KEY
from .bare import Agent
from .prompt import STEP_LIMIT, SYSTEM, TOOLS


class GraphAgent(Agent):
    """The graph, put together once; its runs keep their state to themselves."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        super().__init__(settings, seed, base_url, model)
        chat = ChatOpenAI(
            model=model, base_url=base_url, api_key=API_KEY, use_responses_api=False,
            client=self.client.chat.completions, root_client=self.client,
        )  # fmt: skip
        self.graph = create_agent(chat, tools=self._tools(), system_prompt=SYSTEM)

    def ask(self, question: str) -> str:
        """Return the report on any question.

        Raises:
            ChemistryError: a tool gave no result.
            GraphRecursionError: langgraph's, when the model does not come to an end.
        """
        asked = {"messages": [{"role": "user", "content": question}]}
        # A step of the agent is two of the graph: the model, and its tools.
        ended = self.graph.invoke(asked, {"recursion_limit": 2 * STEP_LIMIT})
        return str(ended["messages"][-1].content)

    def _tools(self) -> list[StructuredTool]:
        described = [tool["function"] for tool in TOOLS]
        return [
            StructuredTool(
                name=function["name"],
                description=function["description"],
                args_schema=function["parameters"],
                func=self.functions[function["name"]],
            )
            for function in described
        ]
