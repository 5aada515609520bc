"""What the tools do: find, search and read the standard library's files, and calculate. Knows nothing of MCP."""

import ast
import operator
import re
from collections.abc import Callable
from typing import Final

from ..stdlib import files, root

_MOST_MATCHES: Final = 50
_OPERATORS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def find_files(name: str) -> str:
    """Return the paths of the files with this name, one a line."""
    found = [path for path in files() if path.rpartition("/")[2] == name]
    return "\n".join(found) or f"no file is called {name!r}"


def search_text(pattern: str, path: str = "") -> str:
    """Return the lines that a regular expression matches, as path:number:line, in one file or (path "") in all."""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        return f"bad pattern: {error}"
    found: list[str] = []
    for name in [path] if path else files():
        text = _text(name)
        if text is None:
            return f"no such file: {name}"
        found += [
            f"{name}:{number}:{line}"
            for number, line in enumerate(text.split("\n"), 1)
            if wanted.search(line)
        ]
    return "\n".join(found[:_MOST_MATCHES]) or "no match"


def read_lines(path: str, first: int, count: int) -> str:
    """Return lines of a file, each after its number and a tab; the first line is 1."""
    text = _text(path)
    if text is None:
        return f"no such file: {path}"
    lines = text.split("\n")[first - 1 : first - 1 + count]
    return "\n".join(f"{number}\t{line}" for number, line in enumerate(lines, first)) or "no such lines"


def calculate(expression: str) -> str:
    """Return the value of an expression with + - * / and parentheses."""
    try:
        return str(_value(ast.parse(expression, mode="eval").body))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError) as error:
        return f"cannot calculate: {error}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case _:
            raise ValueError(f"not arithmetic: {ast.unparse(node)}")


def _text(name: str) -> str | None:
    """Return a file's text; None when there is no such file in the library."""
    path = (root() / name).resolve()
    inside = path.is_relative_to(root().resolve()) and path.is_file()
    return path.read_text(encoding="utf-8", errors="replace") if inside else None
