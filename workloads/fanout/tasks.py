"""The tasks: groups of the standard library's files, and what there is to find in them."""

import random
from dataclasses import dataclass
from typing import Any, Final

from ..stdlib import files, root
from . import count
from .prompt import Findings, question

TASKS: Final = 200
_KILOBYTES: Final = (4, 64)  # files of a size that people write

Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """The groups whose files are counted, and those whose longest function a sub-agent finds."""

    counted: tuple[Group, ...]
    searched: tuple[Group, ...]

    @property
    def question(self) -> str:
        """Return what the agent is asked."""
        return question(self.counted, self.searched)


def candidates() -> list[str]:
    """Return the files that can be asked about, sorted."""
    least, most = (kilobytes * 1000 for kilobytes in _KILOBYTES)
    paths = {name: root() / name for name in files()}
    return [
        name
        for name, path in paths.items()
        if least <= path.stat().st_size <= most and b"def " in path.read_bytes()
    ]


def tasks(settings: dict[str, Any], seed: int) -> list[Task]:
    """Return the tasks that a seed makes."""
    names, chance = candidates(), random.Random(seed)

    def groups(number: int) -> tuple[Group, ...]:
        return tuple(tuple(chance.sample(names, settings["files"])) for _ in range(number))

    return [Task(groups(settings["width"]), groups(settings["agents"])) for _ in range(TASKS)]


def truth(task: Task) -> Findings:
    """Return what is right."""
    paths = [[root() / name for name in group] for group in task.counted]
    return {
        "count_definitions": [sum(map(count.definitions, group)) for group in paths],
        "count_tokens": [sum(map(count.tokens, group)) for group in paths],
        "count_lines": [sum(path.read_bytes().count(b"\n") for path in group) for group in paths],
        "ask_agent": [_longest(group) for group in task.searched],
    }


def _longest(group: Group) -> str:
    found = [(*count.longest_function(root() / name), name) for name in group]
    _, function, name = max(found, key=lambda one: one[0])
    return f"{function} in {name}"
