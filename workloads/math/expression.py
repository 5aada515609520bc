"""Expressions: read from text into numbers of any kind, by Python's own grammar and without running any code."""

import ast
import cmath
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

_LONGEST: Final = 2_000  # characters; what a model may send is not trusted to be short
_OPERATORS: Final[dict[type[ast.AST], Callable[..., Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
FUNCTIONS: Final = (
    "exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
)  # fmt: skip
_COMPLEX: Final[dict[str, Any]] = {
    **{name: getattr(cmath, name) for name in FUNCTIONS},
    "pi": cmath.pi,
    "E": cmath.e,
    "I": 1j,
}
_STEP: Final = 1e-20


def read(text: str, names: Mapping[str, Any], number: Callable[[Any], Any]) -> Any:
    """Return what an expression is worth, in the kind of number that `number` makes of a literal.

    Args:
        text: in Python's notation; `^` is a power too.
        names: the variables, constants and functions that may occur.
        number: turns an int or a float into a number.

    Raises:
        ValueError: it is no such expression, or has no finite value.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"the expression is too long, {len(text)} characters @ {text[:40]!r}...")
    try:
        return _value(ast.parse(text.strip().replace("^", "**"), mode="eval").body, names, number)
    except (SyntaxError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not an expression in x, {text!r} @ {type(error).__name__}") from None


def at(text: str, x: complex) -> complex:
    """Return the value of an expression in x.

    Raises:
        ValueError: it is no expression in x, or not defined there.
    """
    return complex(read(text, {**_COMPLEX, "x": x}, complex))


def slope(text: str, x: float) -> float:
    """Return the derivative of an expression at x, to about the precision of a float.

    Source: the complex step, f'(x) = Im f(x + ih) / h for analytic f (Squire and Trapp, SIAM Review 40, 1998).

    Raises:
        ValueError: it is no expression in x, or not defined there.
    """
    return at(text, complex(x, _STEP)).imag / _STEP


def _value(node: ast.expr, names: Mapping[str, Any], number: Callable[[Any], Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as literal):
            return number(literal)
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=sign, operand=operand):
            return _OPERATORS[type(sign)](_value(operand, names, number))
        case ast.BinOp(left=left, op=sign, right=right):
            return _OPERATORS[type(sign)](_value(left, names, number), _value(right, names, number))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
            return names[name](_value(argument, names, number))
    raise TypeError(type(node).__name__)
