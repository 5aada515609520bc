"""What is counted in a file of Python. Standard library only: a child process runs this file by its path.

By its tokens and not by `ast.parse`, which raises SystemError when two threads of CPython 3.11 are in it at once.
"""

import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_UNSEEN = {tokenize.ENCODING, tokenize.NL, tokenize.COMMENT}


@dataclass(slots=True)
class Definition:
    """A function or a class, from its first line to its last statement's end; decorators are not part of it."""

    kind: str
    name: str
    level: int
    first: int
    last: int = 0


def definitions(path: Path) -> int:
    """Return how many functions and classes a file defines, nested ones too."""
    return len(_defined(path))


def tokens(path: Path) -> int:
    """Return how many tokens a file has."""
    return sum(1 for _ in _tokens(path))


def longest_function(path: Path) -> tuple[int, str]:
    """Return the lines and the name of a file's longest function, the first of several; (0, "") when it has none."""
    found = [(one.last - one.first + 1, -one.first, one.name) for one in _defined(path) if one.kind == "def"]
    lines, _, name = max(found, default=(0, 0, ""))
    return lines, name


def _tokens(path: Path) -> Iterator[tokenize.TokenInfo]:
    with path.open("rb") as file:
        yield from tokenize.tokenize(file.readline)


def _defined(path: Path) -> list[Definition]:
    """Return a file's definitions in their order. One ends where a statement begins that is indented no more."""
    found: list[Definition] = []
    level, last = 0, 0
    for statement in _statements(path):
        level += statement.indented
        for one in found:
            if not one.last and one.level >= level:
                one.last = last
        words = statement.words[statement.words[0] == "async" :]
        if words[0] in ("def", "class"):
            found.append(Definition(words[0], words[1], level, statement.first))
        last = statement.last
    return found


@dataclass(slots=True)
class _Statement:
    """A logical line: its first words, its lines, and by how much it is indented more than the one before."""

    words: list[str]
    first: int
    last: int
    indented: int


def _statements(path: Path) -> Iterator[_Statement]:
    """Yield a file's logical lines; the last, of one empty word, is the file's end."""
    words: list[str] = []
    first = indented = 0
    for token in _tokens(path):
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            indented += 1 if token.type == tokenize.INDENT else -1
        elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            yield _Statement(words or [""], first, token.start[0], indented)
            words, indented = [], 0
        elif token.type not in _UNSEEN:
            first = first if words else token.start[0]
            words = words if len(words) > 2 else [*words, token.string]  # noqa: PLR2004  "async def name"


if __name__ == "__main__":
    sys.stdout.write(str(sum(tokens(Path(path)) for path in sys.argv[1:])))
