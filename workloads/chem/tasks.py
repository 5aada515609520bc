"""The tasks: a molecule, a group and a sentence each, and what is known of them beforehand."""

import random
from dataclasses import dataclass
from typing import Final

from .data import blocks, holding, molecules
from .prompt import question, reported

LEAST: Final = 20
_WEIGHT_G: Final = 0.1  # heavy ones are published to one decimal, and atomic weights change in the second


@dataclass(frozen=True, slots=True)
class Task:
    """A question, and what its report has to say, by line."""

    question: str
    known: dict[str, str]


def tasks(size: str, tools: int, candidates: list[tuple[str, str]], seed: int) -> list[Task]:
    """Return every molecule of a size with every group, shuffled by the seed; each molecule comes once in a round.

    Args:
        size: of the molecules.
        tools: how many lines a report has.
        candidates: (title, sentence) of entries of the literature; each goes into one task while there are enough.
        seed: decides who meets whom, and the order.

    Raises:
        ValueError: fewer than LEAST candidates.
    """
    if len(candidates) < LEAST:
        raise ValueError(
            f"too few questions, {len(candidates)} @ chem corpus, give {LEAST} distinct sentences or more"
        )
    generator = random.Random(seed)
    known = molecules(size)
    groups = sorted({group for block in blocks() for group in block.groups} - {""})
    generator.shuffle(known)
    generator.shuffle(groups)
    pairs = [
        (one, groups[(n + turn) % len(groups)]) for turn in range(len(groups)) for n, one in enumerate(known)
    ]
    entries = generator.sample(candidates, min(len(pairs), len(candidates)))
    made = []
    for number, (one, group) in enumerate(pairs):
        title, sentence = entries[number % len(entries)]
        lines = {"formula": one.formula, "weight": f"{one.weight}", "atoms": f"{one.atoms}"}
        lines |= {"library": f"{holding(group)}", "entry": title}
        asked = question(one.name, one.smiles, group, sentence, tools)
        made.append(Task(asked, dict(list(lines.items())[:tools])))
    return made


def judge(task: Task, reply: str) -> str | None:
    """Return None when a report says what is known, else the first line that does not."""
    said = reported(reply)
    for line, known in task.known.items():
        if line not in said:
            return f"no {line} reported, expected {known}"
        if not _agrees(line, said[line], known):
            return f"{line} {said[line]} reported, expected {known}"
    return None


def _agrees(line: str, said: str, known: str) -> bool:
    if line != "weight":
        return said == known
    try:
        return abs(float(said) - float(known)) <= _WEIGHT_G
    except ValueError:
        return False
