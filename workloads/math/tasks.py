"""The questions, made up from the seed, and how an answer is judged: with numbers, never by the calculator."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .expression import at, slope
from .prompt import QUESTIONS

COUNT: Final = 200
_POINTS: Final = (0.37, 0.81, 1.43, 2.19)
_TOLERANCE: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Task:
    """An operation on an expression."""

    operation: str
    expression: str

    @property
    def question(self) -> str:
        """Return what the agent is asked."""
        return QUESTIONS[self.operation].format(self.expression)


def tasks(problem: str, seed: int) -> list[Task]:
    """Return COUNT different tasks: of one class, or with `mixed` of each class in turn."""
    generator = random.Random(seed)
    kinds = list(QUESTIONS) if problem == "mixed" else [problem]
    made: dict[Task, None] = {}  # in the order in which they were made
    while len(made) < COUNT:
        kind = kinds[len(made) % len(kinds)]
        made[Task(kind, _MAKERS[kind](generator))] = None
    return list(made)


def judge(task: Task, result: str) -> str | None:
    """Return None when a result is right, else what is wrong with it."""
    try:
        wrong = _JUDGES[task.operation](task.expression, result)
    except ValueError as error:
        return f"cannot be checked: {error}"
    return None if wrong is None else f"{wrong} @ {task.operation} {task.expression}"


def _same(one: complex, other: complex) -> bool:
    return abs(one - other) <= _TOLERANCE * max(1.0, abs(other))


def _judge_value(expression: str, result: str) -> str | None:
    value = at(expression, 0)
    return None if _same(at(result, 0), value) else f"answered {result}, expected {value.real:g}"


def _judge_roots(expression: str, result: str) -> str | None:
    """Every root must be one, and there must be as many different ones as the degree, which is three."""
    roots = [at(text, 0) for text in result.split(",")]
    for root in roots:
        size = max(1.0, abs(root)) ** 3
        if abs(at(expression, root)) > _TOLERANCE * size * 100:  # coefficients reach hundreds
            return f"answered {result}, but {root:g} is no root"
    different = {(round(root.real, 6), round(root.imag, 6)) for root in roots}
    return None if len(different) == 3 else f"answered {result}, expected 3 different roots"  # noqa: PLR2004


def _judge_derivative(expression: str, result: str) -> str | None:
    for x in _POINTS:
        if not _same(at(result, x), slope(expression, x)):
            return f"answered {result}, which is not the slope at x = {x}"
    return None


def _judge_antiderivative(expression: str, result: str) -> str | None:
    for x in _POINTS:
        if not _same(slope(result, x), at(expression, x).real):
            return f"answered {result}, whose slope at x = {x} is not the integrand"
    return None


_JUDGES: Final[dict[str, Callable[[str, str], str | None]]] = {
    "arithmetic": _judge_value,
    "solve": _judge_roots,
    "differentiate": _judge_derivative,
    "integrate": _judge_antiderivative,
}


def _arithmetic(generator: random.Random) -> str:
    a, b, c, d = (generator.randint(12, 999) for _ in range(4))
    forms = (
        f"({a} + {b}) * {c} - {d}",
        f"{a} * {b} + {c} * {d}",
        f"({a} - {b}) / {c} + {d}",
        f"{a}^3 - {b} * {c} / {d}",
    )
    return generator.choice(forms)


def _solve(generator: random.Random) -> str:
    """Return (x - r)(x^2 + px + q) multiplied out, with three different roots; two of them are mostly irrational."""
    while True:
        r, p, q = (generator.randint(-9, 9) for _ in range(3))
        if p * p != 4 * q and r * r + p * r + q:
            return f"x^3 + ({p - r})*x^2 + ({q - r * p})*x + ({-r * q})"


def _differentiate(generator: random.Random) -> str:
    a, b, n = (generator.randint(2, 9) for _ in range(3))
    forms = (
        f"x^{n}*exp(-x/{a})*sin({b}*x)",
        f"({a}*x^2 + {b})/(x^{n} + {a + b})",
        f"log(x^2 + {a})*cos({b}*x)^2",
        f"sqrt(x^2 + {a})*exp(sin({b}*x))",
        f"atan(x/{a})*(x^{n} + {b})/(x + {n})",
    )
    return generator.choice(forms)


def _integrate(generator: random.Random) -> str:
    a, b = generator.sample(range(2, 10), 2)
    n = generator.randint(2, 5)
    forms = (
        f"x^{n}*exp({a}*x)",
        f"x^{n}*sin({a}*x)",
        f"exp(-x/{a})*cos({b}*x)",
        f"x^{n}*log({a}*x)",
        f"({n}*x + 1)/((x + {a})*(x + {b}))",
        f"x^{n}/(x^2 + {a * a})",
    )
    return generator.choice(forms)


_MAKERS: Final[dict[str, Callable[[random.Random], str]]] = {
    "arithmetic": _arithmetic,
    "solve": _solve,
    "differentiate": _differentiate,
    "integrate": _integrate,
}
