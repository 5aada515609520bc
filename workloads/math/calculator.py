"""The calculator itself: what it can do with an expression in x, by sympy."""

import functools
from collections.abc import Callable
from typing import Any, Final

import sympy

from .expression import FUNCTIONS, read

_X: Final = sympy.Symbol("x")
_NAMES: Final[dict[str, Any]] = {
    **{name: getattr(sympy, name) for name in FUNCTIONS},
    "pi": sympy.pi,
    "E": sympy.E,
    "I": sympy.I,
    "x": _X,
}


class CalculatorError(RuntimeError):
    """The calculator did not give a result."""


def calculate(operation: str, expression: str) -> str:
    """Return the result of an operation on an expression in x, in Python's notation; roots apart by commas.

    Raises:
        CalculatorError: an unknown operation, or no expression in x.
    """
    work = _OPERATIONS.get(operation)
    if work is None:
        raise CalculatorError(
            f"unknown operation, {operation!r} @ calculator, choose from {', '.join(_OPERATIONS)}"
        )
    try:
        return work(read(expression, _NAMES, sympy.sympify))
    except (ValueError, NotImplementedError) as error:
        raise CalculatorError(str(error)) from None


@functools.cache
def warm_up() -> None:
    """Do every operation once: what it loads when it is first used is not any task's."""
    for operation in _OPERATIONS:
        calculate(operation, "x^2*exp(x)")


def _evaluate(expression: Any) -> str:
    return str(sympy.simplify(expression))


def _solve(expression: Any) -> str:
    return ", ".join(str(root) for root in sympy.solve(expression, _X))


def _differentiate(expression: Any) -> str:
    return str(sympy.simplify(sympy.diff(expression, _X)))


def _integrate(expression: Any) -> str:
    return str(sympy.integrate(expression, _X))


_OPERATIONS: Final[dict[str, Callable[[Any], str]]] = {
    "arithmetic": _evaluate,
    "solve": _solve,
    "differentiate": _differentiate,
    "integrate": _integrate,
}
