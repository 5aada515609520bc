"""The tools: one on a thread, one in a child process, one at a remote site, and one for the sub-agents."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

import orchprof

from ..far import Site
from ..stdlib import root
from . import count

Tool = Callable[..., Awaitable[str]]


class Tools:
    """What the agents may call. The HTTP client belongs to one event loop."""

    def __init__(self, site: Site, http: httpx.AsyncClient, timeout_s: int) -> None:
        self._site, self._http, self._timeout_s = site, http, timeout_s
        self._root = root()

    def of_orchestrator(self) -> dict[str, Tool]:
        """Return the tools for counting."""
        tools: tuple[Any, ...] = (self.count_definitions, self.count_tokens, self.count_lines)
        return {tool.__name__: tool for tool in tools}

    def of_agent(self) -> dict[str, Tool]:
        """Return the sub-agents' tool."""
        return {"longest_function": self.longest_function}

    @orchprof.tool("count_definitions")
    async def count_definitions(self, files: list[str]) -> str:
        """Return how many functions and classes files define; parses them in a thread."""
        paths = [self._path(name) for name in files]
        return str(await asyncio.to_thread(lambda: sum(map(count.definitions, paths))))

    @orchprof.tool("count_tokens")
    async def count_tokens(self, files: list[str]) -> str:
        """Return how many tokens files have; a child process counts.

        Raises:
            TimeoutError: it took too long.
            RuntimeError: it failed.
        """
        command = [sys.executable, "-I", "-S", count.__file__, *(str(self._path(name)) for name in files)]
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            printed, _ = await asyncio.wait_for(child.communicate(), self._timeout_s)
        except TimeoutError as error:
            child.kill()
            await child.wait()
            raise TimeoutError(f"counting tokens took more than {self._timeout_s} s") from error
        if child.returncode:
            raise RuntimeError(f"counting tokens failed, exit code {child.returncode}")
        return printed.decode()

    @orchprof.tool("count_lines")
    async def count_lines(self, files: list[str]) -> str:
        """Return how many lines files have, which are fetched one after another.

        Raises:
            TimeoutError: the site said nothing for too long.
            httpx.HTTPError: a file is not there, or the connection failed.
        """
        return str(sum([(await self._fetch(name)).count(b"\n") for name in files]))

    @orchprof.tool("longest_function")
    async def longest_function(self, file: str) -> str:
        """Return the lines and the name of a file's longest function; parses it in a thread."""
        lines, name = await asyncio.to_thread(count.longest_function, self._path(file))
        return f"{lines} {name}"

    async def _fetch(self, name: str) -> bytes:
        try:
            response = await self._http.get(self._site.url(name))
        except httpx.TimeoutException as error:
            raise TimeoutError(f"{name} sent nothing for {self._timeout_s} s") from error
        return response.raise_for_status().content

    def _path(self, name: str) -> Path:
        return self._root / name
