"""The variant without a framework: three tool calls, a prompt, and the plain SDK."""

import asyncio
from typing import Any

import orchprof

from ..chat import AsyncClients, client
from .index import Tools
from .prompt import SYSTEM, answered, render
from .tasks import tasks


class Agent:
    """What both variants share: the tasks, the tools, the clients and the judgement."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        self.tools = Tools(settings)
        self.tasks = tasks(self.tools.questions(), seed)
        self.count = len(self.tasks)
        self.facts = {"passages": self.tools.passages, "tasks": self.count}
        self.model = model
        self.client = client(base_url)
        self.async_clients = AsyncClients(base_url)

    def prepare(self, index: int, slot: int) -> None:
        """Do nothing: a question leaves no traces to clear."""

    def run(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the answer to the task's question."""
        return self.ask(self.tasks[index].question)

    async def arun(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the answer to the task's question."""
        return await self.ask_async(self.tasks[index].question)

    def ask(self, question: str) -> str:
        """Return the answer to any question."""
        raise NotImplementedError

    async def ask_async(self, question: str) -> str:
        """Return the answer to any question."""
        raise NotImplementedError

    def check(self, index: int, answer: str) -> str | None:
        """Return None when the answer names the right passage, else what it said and what was right."""
        title, said = self.tasks[index].title, answered(answer)
        if said == title:
            return None
        return f"{'did not know' if said is None else f'answered {said!r}'}, expected {title!r}"

    async def aclose(self) -> None:
        """Close the running event loop's client; to be awaited before the loop ends."""
        await self.async_clients.aclose()

    def close(self) -> None:
        """Close the client and the database."""
        self.client.close()
        self.tools.close()


class BareAgent(Agent):
    """The plain loop."""

    def ask(self, question: str) -> str:
        """Return the answer to any question."""
        completion = self.client.chat.completions.create(**self._request(question))
        return str(completion.choices[0].message.content)

    async def ask_async(self, question: str) -> str:
        """Return the answer to any question; the tools run in a thread, so that the loop stays free."""
        request = await asyncio.to_thread(self._request, question)
        completion = await self.async_clients.current().chat.completions.create(**request)
        return str(completion.choices[0].message.content)

    def _request(self, question: str) -> dict[str, Any]:
        found = self.tools.search_docs(self.tools.embed_query(question))
        documents = self.tools.fetch_passages(found)
        with orchprof.span("build_prompt"):
            prompt = render(question, documents)
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
        return {"model": self.model, "messages": messages}
