"""What a framework is given and what is asked of it; each has a module of its own in `frameworks`."""

import asyncio
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import orchprof

Ask = Callable[[str], str]
QUESTION: Final = "Call noop until there is nothing left to do."
SYSTEM: Final = "You call tools."
RESULT: Final = "ok"


class Tally:
    """The tool, and how often it was called since somebody set `calls` to 0."""

    def __init__(self) -> None:
        self.calls = 0
        self.noop = self._tool()

    def _tool(self) -> Callable[[int], str]:
        # A plain function, because that is what every framework makes a tool of.
        def noop(number: int) -> str:
            """Do nothing.

            Args:
                number: Which call this is.
            """
            del number
            with orchprof.tool("noop"):
                self.calls += 1
                return RESULT

        return noop


@dataclass(frozen=True, slots=True)
class Setting:
    """What an agent is built from: the endpoint, the model's name there, the tool, and how often it will be called."""

    base_url: str
    model: str
    noop: Callable[[int], str]
    steps: int

    @property
    def limit(self) -> int:
        """Return the turns that are enough; a framework that has a limit is told this one."""
        return self.steps + 3


def load(variant: str) -> ModuleType:
    """Return the module of a variant, which imports the framework.

    It holds `open(setting)`: a context manager that yields what to ask, or an asynchronous one that yields a
    coroutine function.

    Raises:
        ImportError: the framework is not installed.
    """
    return importlib.import_module(f".frameworks.{variant.replace('-', '_')}", __package__)


@contextmanager
def asking(framework: ModuleType, setting: Setting) -> Iterator[Ask]:
    """Yield the function that asks a framework's agent; one that is asynchronous gets an event loop for itself."""
    opened: Any = framework.open(setting)
    if hasattr(opened, "__enter__"):
        with opened as ask:
            yield ask
        return
    with asyncio.Runner() as runner:
        coroutine = runner.run(_entered(opened))
        yield lambda question: runner.run(coroutine(question))
        runner.run(_left(opened))


async def _entered(opened: Any) -> Callable[[str], Any]:
    ask: Callable[[str], Any] = await opened.__aenter__()
    return ask


async def _left(opened: Any) -> None:
    await opened.__aexit__(None, None, None)


def answer(calls: int) -> str:
    """Return what the model says when it has seen so many calls."""
    return f"{calls} seen"
