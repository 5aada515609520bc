"""The LangGraph variant: the same tools as the nodes of a fixed chain, and LangChain's chat model."""

from typing import Any, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

from ..chat import API_KEY
from .bare import Agent, conversation


class State(TypedDict, total=False):
    """What the nodes hand on."""

    question: str
    names: list[str]
    pages: list[str]
    texts: list[str]
    summaries: list[str]
    answer: str


class GraphAgent(Agent):
    """The graph, compiled once; its runs keep their state to themselves."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        super().__init__(settings, seed, base_url, model)
        self.chat = ChatOpenAI(
            base_url=base_url, api_key=API_KEY, max_retries=0,
            root_client=self.client, client=self.client.chat.completions, **self.request,
        )  # fmt: skip
        graph = StateGraph(State)
        graph.add_sequence([self.search, self.fetch, self.extract, self.summarise, self.reply])
        graph.add_edge(START, "search")
        graph.add_edge("reply", END)
        self.graph = graph.compile()

    def ask(self, question: str) -> str:
        """Return the answer to any question."""
        return str(self.graph.invoke({"question": question})["answer"])

    def search(self, state: State) -> State:
        """Find the pages."""
        return {"names": self.tools.search_pages(state["question"])}

    def fetch(self, state: State) -> State:
        """Get them."""
        return {"pages": self.tools.fetch_pages(state["names"])}

    def extract(self, state: State) -> State:
        """Keep their text."""
        return {"texts": [self.tools.extract_text(page) for page in state["pages"]]}

    def summarise(self, state: State) -> State:
        """Keep the sentences that matter."""
        return {"summaries": [self.tools.summarise(text) for text in state["texts"]]}

    def reply(self, state: State) -> State:
        """Ask the model."""
        messages = conversation(state["question"], state["names"], state["summaries"])
        return {"answer": str(self.chat.invoke(messages).content)}
