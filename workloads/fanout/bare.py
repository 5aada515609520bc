"""The variant without a framework: a model's calls of one turn run at the same time, on the plain SDK."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

import orchprof

from ..chat import async_client
from ..far import Site
from ..loops import Loops, PerLoop
from ..stdlib import root
from .prompt import AGENT_SYSTEM, AGENT_TOOLS, SYSTEM, TOOLS, answered
from .tasks import tasks, truth
from .tools import Tool, Tools

TURNS: Final = 4  # an agent that has not answered by then has failed


@dataclass(frozen=True, slots=True)
class Hands:
    """What an agent works with on one event loop."""

    client: Any
    tools: Tools


@dataclass(frozen=True, slots=True)
class Brief:
    """Who an agent is: its instructions, the tools it is offered, and what runs them."""

    system: str
    offered: list[dict[str, Any]]
    tools: dict[str, Tool]


class Agent:
    """What both variants share: the tasks, the tools, the clients and the judgement."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        self.timeout_s: int = settings["timeout_s"]
        self.tasks = tasks(settings, seed)
        self.count = len(self.tasks)
        self.facts = {"tasks": self.count}
        self.base_url, self.model = base_url, model
        self.site = Site(root(), settings["delay_ms"])
        self.hands = PerLoop(self._open)
        self.loops = Loops(self.aclose)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Hands]:
        async with async_client(self.base_url) as client, httpx.AsyncClient(timeout=self.timeout_s) as http:
            yield Hands(client, Tools(self.site, http, self.timeout_s))

    def prepare(self, index: int, slot: int) -> None:  # noqa: ARG002
        """Have this thread's clients ready."""
        self.loops.run(self.hands.current())

    def run(self, index: int, slot: int) -> str:
        """Return what the survey found."""
        return self.loops.run(self.arun(index, slot))

    async def arun(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return what the survey found."""
        hands = await self.hands.current()
        asked = self.tasks[index].question

        async def ask_agent(files: list[str]) -> str:
            with orchprof.span("sub_agent"):
                return await self.converse(hands, brief, f"longest: {' '.join(files)}")

        brief = Brief(AGENT_SYSTEM, AGENT_TOOLS, hands.tools.of_agent())
        tools = {**hands.tools.of_orchestrator(), "ask_agent": ask_agent}
        return await self.converse(hands, Brief(SYSTEM, TOOLS, tools), asked)

    async def converse(self, hands: Hands, brief: Brief, asked: str) -> str:
        """Return an agent's answer."""
        raise NotImplementedError

    def check(self, index: int, answer: str) -> str | None:
        """Return None when everything found is right, else the first thing that is not."""
        found, right = answered(answer), truth(self.tasks[index])
        if found is None:
            return f"no findings in the answer, {answer[:60]!r}"
        wrong = (name for name in right if found.get(name) != right[name])
        name = next(wrong, None)
        return None if name is None else f"{name} found {found.get(name)}, expected {right[name]}"

    async def aclose(self) -> None:
        """Close the running event loop's clients; to be awaited before the loop ends."""
        await self.hands.aclose()

    def close(self) -> None:
        """Close every loop's clients, and end the site."""
        self.loops.close()
        self.site.close()


class BareAgent(Agent):
    """The plain loop."""

    async def converse(self, hands: Hands, brief: Brief, asked: str) -> str:
        """Return an agent's answer.

        Raises:
            RuntimeError: it gave none.
        """
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": brief.system},
            {"role": "user", "content": asked},
        ]
        for _ in range(TURNS):
            completion = await hands.client.chat.completions.create(
                model=self.model, messages=messages, tools=brief.offered
            )
            said = completion.choices[0].message
            if not said.tool_calls:
                return str(said.content)
            messages.append(said.model_dump(exclude_none=True))
            messages += await asyncio.gather(*(_called(brief.tools, call) for call in said.tool_calls))
        raise RuntimeError(f"no answer after {TURNS} turns")


async def _called(tools: dict[str, Tool], call: Any) -> dict[str, Any]:
    result = await tools[call.function.name](**json.loads(call.function.arguments))
    return {"role": "tool", "tool_call_id": call.id, "content": result}
