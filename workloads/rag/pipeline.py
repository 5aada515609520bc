"""The Haystack variant: the same tools as components of a pipeline, its prompt builder and its generator."""

from typing import Any

from haystack import Document, Pipeline, component
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

from ..chat import API_KEY
from .bare import Agent
from .index import Tools
from .prompt import SYSTEM, TEMPLATE


@component
class QueryEmbedder:
    """Embeds the question."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        component.set_output_types(self, embedding=list[float])

    def run(self, text: str) -> dict[str, Any]:
        """Return the question's embedding."""
        return {"embedding": self.tools.embed_query(text)}


@component
class PassageRetriever:
    """Finds the passages nearest to an embedding."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        component.set_output_types(self, documents=list[Document])

    def run(self, query_embedding: list[float]) -> dict[str, Any]:
        """Return the passages as Haystack documents."""
        found = self.tools.fetch_passages(self.tools.search_docs(query_embedding))
        return {
            "documents": [Document(content=item["text"], meta={"title": item["title"]}) for item in found]
        }


class HaystackAgent(Agent):
    """The pipeline, assembled once; its runs keep their state to themselves."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        super().__init__(settings, seed, base_url, model)
        key = Secret.from_token(API_KEY)
        self.generator = OpenAIChatGenerator(model=model, api_base_url=base_url, api_key=key)
        self.generator.client = self.client
        self.pipeline = _assemble(Pipeline(), self.tools, self.generator)

    def ask(self, question: str) -> str:
        """Return the answer to any question."""
        return _reply(self.pipeline.run(_inputs(question)))

    async def ask_async(self, question: str) -> str:
        """Return the answer to any question; Haystack runs the tools in threads."""
        self.generator.async_client = self.async_clients.current()
        return _reply(await self.pipeline.run_async(_inputs(question)))


def _assemble(pipeline: Any, tools: Tools, generator: Any) -> Any:
    template = [ChatMessage.from_system(SYSTEM), ChatMessage.from_user(TEMPLATE)]
    pipeline.add_component("embedder", QueryEmbedder(tools))
    pipeline.add_component("retriever", PassageRetriever(tools))
    pipeline.add_component(
        "prompt", ChatPromptBuilder(template, required_variables=["documents", "question"])
    )
    pipeline.add_component("generator", generator)
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "generator.messages")
    return pipeline


def _inputs(question: str) -> dict[str, Any]:
    return {"embedder": {"text": question}, "prompt": {"question": question}}


def _reply(outputs: dict[str, Any]) -> str:
    return str(outputs["generator"]["replies"][0].text)
