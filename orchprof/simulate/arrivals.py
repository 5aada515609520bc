"""How tasks come: an open loop of arrivals at their own times, or a closed one of users who wait for the answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, count, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True)
class Open:
    """Arrivals at a rate, however many tasks are under way.

    Attributes:
        rate_per_s: tasks per second.
        kind: `constant`, `poisson` or `gamma`.
        spread: the coefficient of variation of the gaps of `gamma`; 1 is poisson, above it arrivals come in bursts.
    """

    rate_per_s: float
    kind: str = "poisson"
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrivals at given times, in seconds from the start and in order; there are no others."""

    times_s: Sequence[float]


@dataclass(frozen=True, slots=True)
class Closed:
    """`users` who each send a task, wait for its end, think, and send the next; all begin with a thought.

    Attributes:
        users: how many.
        think_s: the mean of an exponential thought, or its length where `is_fixed`; 0 is none.
        is_fixed: every thought takes as long.
    """

    users: int
    think_s: float = 0.0
    is_fixed: bool = False


Load = Open | Trace | Closed


def times(load: Open | Trace, draw: np.random.Generator) -> Iterator[float]:
    """Yield when tasks arrive, in seconds: without end for a rate, all of them for a trace."""
    if isinstance(load, Trace):
        return iter(load.times_s)
    return KINDS[load.kind](load, draw)


def _constant(load: Open, _draw: np.random.Generator) -> Iterator[float]:
    return (index / load.rate_per_s for index in count(1))


def _poisson(load: Open, draw: np.random.Generator) -> Iterator[float]:
    return accumulate(endless(lambda n: draw.exponential(1 / load.rate_per_s, n)))


def _gamma(load: Open, draw: np.random.Generator) -> Iterator[float]:
    shape = load.spread**-2
    return accumulate(endless(lambda n: draw.gamma(shape, 1 / (shape * load.rate_per_s), n)))


def endless(draw: Callable[[int], NDArray[Any]]) -> Iterator[Any]:
    """Return draws for ever: they are made by the thousand, which costs a tenth of drawing them one by one."""
    return chain.from_iterable(draw(_BLOCK).tolist() for _ in repeat(None))


KINDS: Final[dict[str, Callable[[Open, np.random.Generator], Iterator[float]]]] = {
    "constant": _constant,
    "poisson": _poisson,
    "gamma": _gamma,
}
