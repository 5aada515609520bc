"""Answers: an amount, counted in Decimal, or in words why there is none; a record has the nearest float, or null."""

from collections.abc import Mapping
from decimal import Decimal

Answer = Decimal | str


def amount(answer: Answer | None) -> float | None:
    """Return an amount as the nearest float; None where there is none."""
    return None if answer is None or isinstance(answer, str) else float(answer)


def amounts(answers: Mapping[str, Answer]) -> dict[str, float | None]:
    """Return the amounts by name, as floats; None where there is none."""
    return {name: amount(answer) for name, answer in answers.items()}


def reasons(answers: Mapping[str, Answer]) -> dict[str, str]:
    """Return why there is no amount, by the names of those."""
    return {name: answer for name, answer in answers.items() if isinstance(answer, str)}
