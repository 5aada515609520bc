"""What both variants share, and the variant without a framework: a plain loop on the SDK."""

import json
from typing import Any

import orchprof

from ..chat import client
from .prompt import NAMES, STEP_LIMIT, SYSTEM, TAKES, TOOLS
from .tasks import judge, tasks
from .tools import Tools

Message = dict[str, Any]


class Agent:
    """The tasks, the tools, the client and the judgement."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        self.tools = Tools(settings)
        self.functions = {name: getattr(self.tools, name) for name in NAMES}
        questions = self.tools.literature.questions()
        self.tasks = tasks(settings["molecules"], settings["tools"], questions, seed)
        self.count = len(self.tasks)
        self.facts = {"tasks": self.count, "library": self.tools.molecules}
        self.model = model
        self.client = client(base_url)

    def prepare(self, index: int, slot: int) -> None:
        """Do nothing: a task leaves no traces to clear."""

    def run(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the agent's report."""
        return self.ask(self.tasks[index].question)

    def ask(self, question: str) -> str:
        """Return the report on any question."""
        raise NotImplementedError

    def check(self, index: int, answer: str) -> str | None:
        """Return None when the report says what is known, else what it says wrongly."""
        return judge(self.tasks[index], answer)

    def close(self) -> None:
        """Close the client and the tools."""
        self.client.close()
        self.tools.close()


class BareAgent(Agent):
    """The plain loop."""

    def ask(self, question: str) -> str:
        """Return the report on any question; "" when the model does not come to an end.

        Raises:
            ChemistryError: a tool gave no result.
            ValueError: the model's call cannot be understood.
        """
        with orchprof.span("build_prompt"):
            messages: list[Message] = [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": question},
            ]
        for _ in range(STEP_LIMIT):
            request = {"model": self.model, "messages": messages, "tools": TOOLS}
            completion = self.client.chat.completions.create(**request)
            said = completion.choices[0].message
            if not said.tool_calls:
                return str(said.content)
            messages.append(said.model_dump(exclude_none=True))
            messages.extend(self._called(call) for call in said.tool_calls)
        return ""

    def _called(self, call: Any) -> Message:
        """Return the message that shows the model what its call gave."""
        name, arguments = call.function.name, call.function.arguments
        try:
            function, argument = self.functions[name], str(json.loads(arguments)[TAKES[name]])
        except (ValueError, LookupError, TypeError):
            raise ValueError(f"not a call of a tool, {name}({arguments}) @ the model's reply") from None
        return {"role": "tool", "tool_call_id": call.id, "content": function(argument)}
