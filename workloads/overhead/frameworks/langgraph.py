"""LangGraph: the agent of LangChain's create_agent, which runs as a graph."""

from collections.abc import Iterator
from contextlib import contextmanager

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from ...chat import API_KEY
from ..framework import SYSTEM, Ask, Setting


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    model = ChatOpenAI(model=setting.model, base_url=setting.base_url, api_key=API_KEY)
    agent = create_agent(model, [setting.noop], system_prompt=SYSTEM)
    limit = {"recursion_limit": 2 * setting.limit}  # a turn is two of LangGraph's steps

    def ask(question: str) -> str:
        asked = {"messages": [{"role": "user", "content": question}]}
        return str(agent.invoke(asked, limit)["messages"][-1].content)

    yield ask
    model.root_client.close()
