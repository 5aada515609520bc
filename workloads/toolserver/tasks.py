"""The tasks: functions of the standard library, measured by its parser."""

import ast
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..stdlib import files, root
from .prompt import question

TASKS: Final = 200
_LINES: Final = (8, 100)
_SAMPLED_FILES: Final = 120  # more would only take longer to parse


@dataclass(frozen=True, slots=True)
class Task:
    """A function, and what is right about it."""

    function: str
    path: str
    lines: int
    returns: int

    @property
    def question(self) -> str:
        """Return what the agent is asked."""
        return question(self.function, self.path.rpartition("/")[2])

    @property
    def number(self) -> str:
        """Return the right answer."""
        return str(self.lines * self.returns)


def tasks(seed: int) -> list[Task]:
    """Return the tasks that a seed makes; there are at least 20 in any standard library."""
    paths, chance = files(), random.Random(seed)
    names = Counter(path.rpartition("/")[2] for path in paths)
    unique = [path for path in paths if names[path.rpartition("/")[2]] == 1]
    sample = chance.sample(unique, min(_SAMPLED_FILES, len(unique)))
    found = [task for path in sample for task in _functions(path)]
    return chance.sample(found, min(TASKS, len(found)))


def _functions(path: str) -> Iterator[Task]:
    """Yield the functions of a file that have a name of their own, a return, and an end that indentation shows."""
    text = (root() / path).read_text(encoding="utf-8", errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's escape sequences
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    names, lines = Counter(node.name for node in nodes), text.split("\n")
    for node in nodes:
        body = lines[node.lineno - 1 : node.end_lineno]
        returns = sum(line.lstrip().startswith("return") for line in body)
        least, most = _LINES
        if names[node.name] == 1 and returns and least <= len(body) <= most and _is_plain(lines, node):
            yield Task(node.name, path, len(body), returns)


def _is_plain(lines: list[str], node: ast.FunctionDef) -> bool:
    end = ends(lines[node.lineno - 1 :])
    return end is not None and node.lineno - 1 + end == node.end_lineno


def ends(lines: list[str]) -> int | None:
    """Return how many lines a function has that begins in the first of these; None when its end is not among them.

    It ends before the next line that is indented no more than its first, and has no blank lines or comments there.
    """
    indent = _indent(lines[0])
    following = (
        number for number, line in enumerate(lines[1:], 1) if line.strip() and _indent(line) <= indent
    )
    after = next(following, None)
    while after is not None and (not lines[after - 1].strip() or lines[after - 1].lstrip().startswith("#")):
        after -= 1
    return after


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
