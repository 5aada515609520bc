"""What the agent is told and asked, and how its answer is written and read back."""

import re
from typing import Final

SYSTEM: Final = (
    "You answer questions about the source code of Python's standard library. Look things up with the tools; "
    "do not guess. Reply with `Answer: NUMBER` on the first line."
)
_ANSWER: Final = "Answer: "


def question(function: str, file: str) -> str:
    """Return the question about a function."""
    return (
        f"In the standard library's file {file}, how many lines has the function {function}, "
        "times the number of its lines that begin with `return`?"
    )


def parse(asked: str) -> tuple[str, str] | None:
    """Return the function and the name of the file that a question is about; None when it is another question."""
    found = re.search(r"file (\S+), how many lines has the function (\w+),", asked)
    return (found[2], found[1]) if found else None


def answer(number: str) -> str:
    """Return the reply that gives a number."""
    return f"{_ANSWER}{number}"


def answered(reply: str) -> str | None:
    """Return the number that a reply gives in its first line; None when it gives none."""
    first = reply.partition("\n")[0].strip()
    return first.removeprefix(_ANSWER) if first.startswith(_ANSWER) else None
