"""The agent's loop, and the variant without a framework or an SDK: plain HTTP."""

import json
from typing import Any

import httpx

import orchprof

from .prompt import STEP_LIMIT, SYSTEM, TOOLS, answered
from .tasks import judge, tasks
from .tools import calculator

Message = dict[str, Any]


class Agent:
    """What both variants share: the tasks, the tool, the loop and the judgement."""

    def __init__(self, settings: dict[str, Any], seed: int, model: str) -> None:
        self.tasks = tasks(settings["problem"], seed)
        self.count = len(self.tasks)
        self.facts = {"tasks": self.count}
        self.model = model
        self.calculator = calculator(settings)

    def prepare(self, index: int, slot: int) -> None:
        """Do nothing: a question leaves no traces to clear."""

    def run(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the answer to the task's question."""
        return self.ask(self.tasks[index].question)

    def ask(self, question: str) -> str:
        """Return the answer to any question; "" when the model does not come to an end.

        Raises:
            CalculatorError: the calculator gave no result.
            ValueError: the model's call cannot be understood.
        """
        with orchprof.span("build_prompt"):
            messages: list[Message] = [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": question},
            ]
        for _ in range(STEP_LIMIT):
            said = self.complete(messages)
            calls = said.get("tool_calls")
            if not calls:
                return str(said["content"])
            messages.append(said)
            messages.extend(self._called(call) for call in calls)
        return ""

    def complete(self, messages: list[Message]) -> Message:
        """Return the model's next message, as it goes back to the model."""
        raise NotImplementedError

    def check(self, index: int, answer: str) -> str | None:
        """Return None when the answer is right, else what is wrong with it."""
        result = answered(answer)
        return "did not know" if result is None else judge(self.tasks[index], result)

    def close(self) -> None:
        """Close the calculator."""
        self.calculator.close()

    def _called(self, call: Message) -> Message:
        """Return the message that shows the model what its call came to."""
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        try:
            asked = json.loads(arguments)
            operation, expression = str(asked["operation"]), str(asked["expression"])
        except (ValueError, LookupError, TypeError):
            raise ValueError(
                f"not a call of the calculator, {name}({arguments}) @ the model's reply"
            ) from None
        result = self.calculator.calculate(operation, expression)
        return {"role": "tool", "tool_call_id": call["id"], "content": result}


class BareAgent(Agent):
    """The loop over plain HTTP."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        super().__init__(settings, seed, model)
        # As the SDK: a model may think for long.
        self.client = httpx.Client(base_url=base_url, timeout=httpx.Timeout(600, connect=5))

    @orchprof.model("chat")
    def complete(self, messages: list[Message]) -> Message:
        """Return the model's next message."""
        request = {"model": self.model, "messages": messages, "tools": TOOLS}
        reply = self.client.post("/chat/completions", json=request).raise_for_status()
        message: Message = reply.json()["choices"][0]["message"]
        return message

    def close(self) -> None:
        """Close the connections and the calculator."""
        self.client.close()
        super().close()
