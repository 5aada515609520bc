"""The variant without a framework: the tools one after another, a prompt, and the plain SDK."""

from typing import Any

import orchprof

from ..chat import client
from .prompt import SYSTEM, answered, render
from .tasks import tasks
from .tools import Tools


class Agent:
    """What both variants share: the tasks, the tools, the client and the judgement."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        self.tools = Tools(settings)
        self.tasks = tasks(self.tools.questions(), seed)
        self.count = len(self.tasks)
        self.facts = {"tasks": self.count}
        self.client = client(base_url)
        # A real model has to be told where to stop.
        most = settings["output_tokens"]
        self.request: dict[str, Any] = {"model": model, **({"max_tokens": most} if most else {})}

    def prepare(self, index: int, slot: int) -> None:
        """Do nothing: a question leaves no traces to clear."""

    def run(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the answer to the task's question."""
        return self.ask(self.tasks[index].question)

    def ask(self, question: str) -> str:
        """Return the answer to any question."""
        raise NotImplementedError

    def check(self, index: int, answer: str) -> str | None:
        """Return None when the answer names the right page, else what it said and what was right."""
        page, said = self.tasks[index].page, answered(answer)
        if said == page:
            return None
        return f"{'did not know' if said is None else f'answered {said!r}'}, expected {page!r}"

    def close(self) -> None:
        """Close the client and the tools."""
        self.client.close()
        self.tools.close()


class BareAgent(Agent):
    """The plain chain."""

    def ask(self, question: str) -> str:
        """Return the answer to any question."""
        names = self.tools.search_pages(question)
        pages = self.tools.fetch_pages(names)
        texts = [self.tools.extract_text(page) for page in pages]
        summaries = [self.tools.summarise(text) for text in texts]
        with orchprof.span("build_prompt"):
            messages = conversation(question, names, summaries)
        completion = self.client.chat.completions.create(messages=messages, **self.request)
        return str(completion.choices[0].message.content)


def conversation(question: str, names: list[str], summaries: list[str]) -> list[dict[str, str]]:
    """Return the messages that ask the question."""
    read = [{"name": name, "summary": summary} for name, summary in zip(names, summaries, strict=True)]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": render(question, read)}]
