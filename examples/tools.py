"""The two tools that every example agent has: plain functions that know nothing of agents or of orchprof."""

import os
import sys
from pathlib import Path

_POPULATION = {"Paris": 2102650, "Berlin": 3685265}


def population(city: str) -> int:
    """Return how many people live in a city."""
    _count("population")
    return _POPULATION[city]


def add(a: int, b: int) -> int:
    """Return the sum of two whole numbers."""
    _count("add")
    return a + b


def _count(tool: str) -> None:
    """Keep a tally of the calls, when somebody wants one, so that a recording can be checked against it."""
    tally = os.environ.get("TOOL_TALLY")
    if tally:
        with Path(tally).open("a", encoding="utf-8") as file:
            file.write(f"{tool}\n")


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(population(*arguments) if name == "population" else add(*map(int, arguments)))
