"""The questions, in the order that the seed decides."""

import random
from dataclasses import dataclass
from typing import Final

from .prompt import question

LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Task:
    """A question, and the one page that answers it."""

    question: str
    page: str


def tasks(candidates: list[tuple[str, str]], seed: int) -> list[Task]:
    """Return a task for each (page, sentence) pair, shuffled by the seed.

    Raises:
        ValueError: fewer than LEAST candidates.
    """
    if len(candidates) < LEAST:
        raise ValueError(
            f"too few questions, {len(candidates)} @ web corpus, give pages with {LEAST} distinct sentences or more"
        )
    made = [Task(question(sentence), page) for page, sentence in candidates]
    random.Random(seed).shuffle(made)
    return made
