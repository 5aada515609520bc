"""A user's own agent as a workload: a function of one argument, called once per task; nothing else is asked of it.

`module:function` may be `async`. It gets the task's number, or the task's input where it has the attribute `inputs`
(a list). Where it has `check`, a function of input and answer, that returns why the answer is wrong, or None; without
one nobody judges the answers. The model's address is in OPENAI_BASE_URL, its name in ORCHPROF_MODEL.
"""

import asyncio
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchprof.errors import UsageError, unknown

_INPUTS: Final = 1 << 30  # without inputs of its own an agent gets numbers for ever


@dataclass(frozen=True, slots=True)
class Own:
    """What the catalogue knows of a workload, of an agent that only its worker imports."""

    target: str
    SUMMARY: str = "an agent of your own"
    TASKS: int = 20
    QUICK: dict[str, Any] = field(default_factory=dict)
    VARIANTS: tuple[str, ...] = ("",)
    REQUIRES: dict[str, dict[str, str]] = field(default_factory=dict)
    SCRIPT: str = "orchprof.models.script:echo"
    ENV: dict[str, str] = field(default_factory=dict)
    LABELLED: None = None  # what it marks as a tool is seen when it runs
    MODULE: str = __name__  # whose `open` the worker calls

    @property
    def SETTINGS(self) -> dict[str, tuple[Any, str]]:  # noqa: N802  a workload's module calls it so
        """The agent's name is all there is to set."""
        return {"agent": (self.target, "module:function")}


def named(target: str) -> Own:
    """Return the workload of `module:function`; only that the module exists is looked at.

    Raises:
        UsageError: it is not written so, or there is no such module.
    """
    module, _, function = target.partition(":")
    if not module or not function.isidentifier():
        raise UsageError(f"not an agent, {target!r} @ WORKLOAD, write it as module:function")
    if not importable(module):
        raise UsageError(
            f"no module {module!r}, {target!r} @ WORKLOAD, run it where {module} can be imported"
        )
    return Own(target)


def importable(module: str) -> bool:
    """Return whether there is a module of that name, in the current directory too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


class Agent:
    """Calls a function for each task."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.inputs: Sequence[Any] | None = getattr(function, "inputs", None)
        self.count = _INPUTS if self.inputs is None else len(self.inputs)
        self.judge: Callable[[Any, Any], str | None] | None = getattr(function, "check", None)
        self.judges = self.judge is not None

    def prepare(self, index: int, slot: int) -> None:
        """Do nothing: what an agent needs it makes itself."""

    def run(self, index: int, slot: int) -> Any:  # noqa: ARG002
        """Return what the function answers; a coroutine gets a loop of its own."""
        answer = self.function(self._input(index))
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer

    def check(self, index: int, answer: object) -> str | None:
        """Return what the agent's own `check` says."""
        return None if self.judge is None else self.judge(self._input(index), answer)

    def close(self) -> None:
        """Do nothing."""

    def _input(self, index: int) -> Any:
        return index if self.inputs is None else self.inputs[index]


class AsyncAgent(Agent):
    """Awaits a coroutine function for each task."""

    async def arun(self, index: int, slot: int) -> Any:  # noqa: ARG002
        """Return what the function answers."""
        return await self.function(self._input(index))


def open(  # noqa: A001
    settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
) -> Agent:
    """Return the agent, imported with the model's address in its environment.

    Raises:
        ValueError: it cannot be imported, or is no function of one argument.
    """
    del seed, variant, workdir
    os.environ |= {"OPENAI_BASE_URL": base_url, "ORCHPROF_MODEL": model}
    os.environ.setdefault("OPENAI_API_KEY", "none-needed")
    function = _function(settings["agent"])
    awaited = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return AsyncAgent(function) if awaited else Agent(function)


def _function(target: str) -> Callable[[Any], Any]:
    name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(name)
    except Exception as error:
        why = " ".join(str(error).split())
        raise ValueError(
            f"cannot import it, {type(error).__name__}: {why} @ {target}, see that `import {name}` works"
        ) from error
    if not hasattr(module, attribute):
        names = [
            each for each in vars(module) if callable(getattr(module, each)) and not each.startswith("_")
        ]
        raise ValueError(str(unknown("function", attribute, names or ["none: it has no function"], target)))
    function: Callable[[Any], Any] = getattr(module, attribute)
    _refuse_other_than_one_argument(function, target)
    if hasattr(function, "inputs") and not len(function.inputs):
        raise ValueError(f"no inputs, {target}.inputs @ WORKLOAD, put at least one there")
    return function


def _refuse_other_than_one_argument(function: object, target: str) -> None:
    if not callable(function):
        raise ValueError(  # noqa: TRY004  the user's word, not a fault in our code
            f"not a function, {type(function).__name__} @ {target}, name one that takes a task's input"
        )
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise ValueError(
            f"an agent takes one argument, {inspect.signature(function)} @ {target}, the task's number or input"
        ) from error
    except ValueError:
        return  # a builtin that does not say; calling it will tell
