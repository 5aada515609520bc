"""The catalogue: the workloads that are installed, found by name through entry points, and what they can be told."""

import importlib
import importlib.metadata
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from orchprof import units
from orchprof.bench import user_agent
from orchprof.contract.workloads import Entry, Setting
from orchprof.errors import MissingExtraError, UsageError, unknown

GROUP: Final = "orchprof.workloads"
EXTRA: Final = "pip install 'orchprof[workloads]'"


class Agent(Protocol):
    """A workload that is set up: it runs one of its tasks at a time per worker slot, and judges the answer.

    It may also offer `arun(index, worker slot)`, a coroutine, for `--mode async`; without one, `run` goes to a thread.
    """

    count: int

    def prepare(self, index: int, slot: int) -> None:
        """Set up task `index` for `worker slot`; not timed."""

    def run(self, index: int, slot: int) -> str:
        """Return the agent's answer to task `index`; this is what is measured."""

    def check(self, index: int, answer: str) -> str | None:
        """Return why the answer is wrong, or None when it is right."""

    def close(self) -> None:
        """Give back what the set-up took."""


class Workload(Protocol):
    """What a workload's module holds."""

    SUMMARY: str
    SETTINGS: dict[str, tuple[Any, str]]
    TASKS: int
    QUICK: dict[str, Any]
    VARIANTS: tuple[str, ...]
    REQUIRES: dict[str, dict[str, str]]
    SCRIPT: str
    ENV: dict[str, str]

    def open(
        self, settings: dict[str, Any], seed: int, variant: str, base_url: str, model: str, workdir: Path
    ) -> Agent:
        """Return the agent of one variant, ready to run; not timed."""


def module_of(workload: Workload) -> str:
    """Return the name of the module that a workload's agent is opened from."""
    return str(getattr(workload, "MODULE", None) or getattr(workload, "__name__", ""))


def names() -> list[str]:
    """Return the names of the installed workloads, sorted."""
    return sorted(entry.name for entry in importlib.metadata.entry_points(group=GROUP))


def module_name(name: str) -> str:
    """Return the module of a workload.

    Raises:
        UsageError: there is none of that name.
    """
    found = {entry.name: entry.value for entry in importlib.metadata.entry_points(group=GROUP)}
    if name not in found:
        raise unknown("workload", name, sorted(found), "orchprof bench")
    return found[name]


def load(name: str) -> Any:
    """Return what is a `Workload`: an installed one's module, `module:function`, or a module of one's own.

    Raises:
        UsageError: there is none of that name, or a module that is no workload.
    """
    if ":" in name:
        return user_agent.named(name)
    if name not in names() and user_agent.importable(name):
        return _own_module(name)
    return importlib.import_module(module_name(name))


def _own_module(name: str) -> ModuleType:
    """Return a module that follows the protocol, though nobody installed it as a workload.

    Raises:
        UsageError: it does not.
    """
    found = importlib.import_module(name)
    lacks = [each for each in (*Workload.__annotations__, "open") if not hasattr(found, each)]
    if lacks:
        raise UsageError(
            f"not a workload, module {name!r} lacks {', '.join(lacks)} @ WORKLOAD, "
            f"name an agent in it as {name}:function, or one of {', '.join(names())}"
        )
    return found


def describe(name: str) -> Entry:
    """Return what can be said of a workload without setting it up.

    Raises:
        UsageError: there is none of that name.
    """
    workload = load(name)
    first = workload.VARIANTS[0]
    return Entry(
        name=name,
        summary=workload.SUMMARY,
        variants=list(workload.VARIANTS),
        settings={
            key: Setting(default=default, help=meaning)
            for key, (default, meaning) in workload.SETTINGS.items()
        },
        missing=list(missing(workload, first)),
    )


def missing(workload: Workload, variant: str) -> tuple[str, ...]:
    """Return the pip requirements of a variant that are not installed."""
    needs = workload.REQUIRES.get(variant, {})
    return tuple(
        requirement for module, requirement in needs.items() if importlib.util.find_spec(module) is None
    )


def refuse_missing(name: str, workload: Workload, variant: str) -> None:
    """Raise the error that says what to install, if anything is missing.

    Raises:
        MissingExtraError: a package of the variant is not installed.
    """
    gone = missing(workload, variant)
    if gone:
        # By name: the extra holds what the five workloads need, not every framework of the suite.
        packages = " ".join(f"'{each}'" for each in gone)
        raise MissingExtraError(
            f"{name} needs more packages, {', '.join(gone)} @ --variant {variant}, run pip install {packages}"
        )


def settled(name: str, workload: Workload, given: dict[str, str], *, quick: bool) -> dict[str, Any]:
    """Return every setting of a workload: its defaults, the quick ones if asked, then what was given.

    Raises:
        UsageError: an unknown setting, or a value of the wrong type.
    """
    values = {key: default for key, (default, _) in workload.SETTINGS.items()} | (
        workload.QUICK if quick else {}
    )
    for key, text in given.items():
        if key not in values:
            raise unknown("setting", key, sorted(values), f"--set of {name}")
        values[key] = _parsed(key, text, workload.SETTINGS[key][0])
    return values


_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _parsed(key: str, text: str, default: object) -> Any:
    try:
        value = _read(text, type(default))
    except ValueError:
        value = None
    if value is None:
        raise UsageError(f"bad value, {text!r} @ --set {key}, give one like {default!r}")
    return value


def _read(text: str, kind: type) -> Any:
    """Return what a text says as a kind of value; None where it says none."""
    if kind is bool:
        return _TRUTH.get(text.lower())
    if kind is int:
        return units.whole_number(text)
    return units.number(text) if kind is float else kind(text)
