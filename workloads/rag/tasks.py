"""The questions, in the order that the seed decides."""

import random
from dataclasses import dataclass
from typing import Final

from .prompt import question

LIMIT: Final = 1_000
LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Task:
    """A question, and the title of the one passage that answers it."""

    question: str
    title: str


def tasks(candidates: list[tuple[str, str]], seed: int) -> list[Task]:
    """Return at most LIMIT tasks from (title, sentence) pairs, shuffled by the seed.

    Raises:
        ValueError: fewer than LEAST candidates.
    """
    if len(candidates) < LEAST:
        raise ValueError(
            f"too few questions, {len(candidates)} @ rag corpus, give {LEAST} distinct sentences or more"
        )
    chosen = random.Random(seed).sample(candidates, min(LIMIT, len(candidates)))
    return [Task(question(sentence), title) for title, sentence in chosen]
