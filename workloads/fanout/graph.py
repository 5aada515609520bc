"""The LangGraph variant: every call of a turn is a branch of the graph, and LangChain's chat model asks."""

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from ..chat import API_KEY
from .bare import TURNS, Agent, Brief, Hands


class State(TypedDict):
    """A conversation so far."""

    messages: Annotated[list[AnyMessage], operator.add]


class GraphAgent(Agent):
    """A graph for each conversation, because the tools are the event loop's."""

    async def converse(self, hands: Hands, brief: Brief, asked: str) -> str:
        """Return an agent's answer.

        Raises:
            GraphRecursionError: LangGraph's, when it gave none.
        """
        graph = _compiled(self._chat(hands).bind_tools(brief.offered), brief)
        first: State = {"messages": [SystemMessage(brief.system), HumanMessage(asked)]}
        # A turn is two of LangGraph's steps: the model's, and that of its calls.
        done = await graph.ainvoke(first, {"recursion_limit": 2 * TURNS})
        return str(done["messages"][-1].content)

    def _chat(self, hands: Hands) -> Any:
        return ChatOpenAI(
            model=self.model, base_url=self.base_url, api_key=API_KEY, max_retries=0,
            root_async_client=hands.client, async_client=hands.client.chat.completions,
        )  # fmt: skip


def _compiled(chat: Any, brief: Brief) -> Any:
    async def think(state: State) -> State:
        return {"messages": [await chat.ainvoke(state["messages"])]}

    async def act(call: dict[str, Any]) -> State:
        result = await brief.tools[call["name"]](**call["args"])
        return {"messages": [ToolMessage(result, tool_call_id=call["id"])]}

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", _calls, ["act", END])
    graph.add_edge("act", "think")
    return graph.compile()


def _calls(state: State) -> list[Send] | str:
    calls = state["messages"][-1].tool_calls
    return [Send("act", call) for call in calls] if calls else END
