"""The agent: the plain SDK's loop, with the tools that the server offers."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from mcp import Client, StdioServerParameters

import orchprof

from ..chat import AsyncClients
from ..loops import Loops, PerLoop
from .prompt import SYSTEM, answered
from .tasks import tasks

TURNS: Final = 16  # an agent that has not answered by then has failed
_SERVER: Final = f"{__package__}.server"


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to the server, and its tools as the model is offered them."""

    client: Any
    offered: list[dict[str, Any]]


class McpAgent:
    """An agent over either transport."""

    def __init__(self, settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str) -> None:
        self.timeout_s: int = settings["timeout_s"]
        self.is_kept = settings["session"] == "kept"
        self.tasks = tasks(seed)
        self.count = len(self.tasks)
        self.facts = {"tasks": self.count}
        self.model = model
        self.clients = AsyncClients(base_url)
        self.http_server = _HttpServer() if variant == "http" else None
        self.sessions = PerLoop(self._session)
        self.loops = Loops(self.aclose)

    def prepare(self, index: int, slot: int) -> None:  # noqa: ARG002
        """Have this thread's session ready, if sessions are kept."""
        if self.is_kept:
            self.loops.run(self.sessions.current())

    def run(self, index: int, slot: int) -> str:
        """Return the answer to the task's question."""
        return self.loops.run(self.arun(index, slot))

    async def arun(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the answer to the task's question."""
        question = self.tasks[index].question
        if self.is_kept:
            return await self.ask(question, await self.sessions.current())
        async with self._session() as session:
            (said,) = await asyncio.gather(self.ask(question, session), return_exceptions=True)
        # Raised inside, it would come out of the session as one of a group.
        if isinstance(said, BaseException):
            raise said
        return said

    async def ask(self, question: str, session: Session) -> str:
        """Return the answer to any question.

        Raises:
            RuntimeError: there was none.
            MCPError: the MCP library's, when a tool took too long or the server is gone.
        """
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
        ]
        for _ in range(TURNS):
            completion = await self.clients.current().chat.completions.create(
                model=self.model, messages=messages, tools=session.offered
            )
            said = completion.choices[0].message
            if not said.tool_calls:
                return str(said.content)
            messages.append(said.model_dump(exclude_none=True))
            messages += [await _called(session.client, call, self.timeout_s) for call in said.tool_calls]
        raise RuntimeError(f"no answer after {TURNS} turns")

    def check(self, index: int, answer: str) -> str | None:
        """Return None when the answer is the right number, else what it said and what was right."""
        right, said = self.tasks[index].number, answered(answer)
        return None if said == right else f"{'no number' if said is None else said}, expected {right}"

    async def aclose(self) -> None:
        """Close the running event loop's session and client; to be awaited before the loop ends."""
        try:
            await self.sessions.aclose()
        finally:  # a session that ends badly must not keep the client open
            await self.clients.aclose()

    def close(self) -> None:
        """Close every loop's session and client, and end the server."""
        self.loops.close()
        if self.http_server is not None:
            self.http_server.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        # A server over stdio gets only a few variables of the environment, as hosts do it.
        server: Any = StdioServerParameters(command=sys.executable, args=["-m", _SERVER])
        if self.http_server is not None:
            server = self.http_server.url
        async with Client(server) as client:
            listed = await client.list_tools()
            yield Session(client, [_offer(tool) for tool in listed.tools])


def _offer(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
    return {"type": "function", "function": function}


async def _called(client: Any, call: Any, timeout_s: float) -> dict[str, Any]:
    name = call.function.name
    with orchprof.tool(name):
        result = await client.call_tool(name, json.loads(call.function.arguments), timeout_s)
    text = "\n".join(part.text for part in result.content if part.type == "text")
    return {"role": "tool", "tool_call_id": call.id, "content": text}


class _HttpServer:
    """The server as a process that listens on a port of its own choice."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", _SERVER, "http"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            self.close()
            raise RuntimeError(f"the MCP server did not start @ {_SERVER}")
        self.url = f"http://127.0.0.1:{port}/mcp"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
