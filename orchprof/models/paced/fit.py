"""The coefficients of a step, fitted to published rows, and how far such fits miss rows they were not shown.

Everybody's rows give one set of seven coefficients; those of the nearest setup (same model; precision, count
and engine alike as far as possible) pull it towards themselves, and the rows of the very setup do so again. A
setup without rows has the nearest one's fit: a coefficient multiplies a datasheet time, so it carries over.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from orchprof.models.paced import facts
from orchprof.models.paced.closed_loop import Load, Work, play
from orchprof.models.paced.facts import Row
from orchprof.models.paced.nnls import Normal
from orchprof.models.paced.steps import Setup

# How firmly a fit is held to what it starts from: a coefficient 14 times its value away counts as much as one
# row missed by its whole value. Chosen for the least mean |log(published / predicted)| of TPOT and of request
# latency over the table, rows of equal lengths left out: 0.083 and 0.093. At 0.03 it is 0.094 and 0.108, at 0.05
# 0.084 and 0.096, at 0.1 0.086 and 0.095, at 0.2 0.097 and 0.103, at 0.5 0.119 and 0.122.
PRIOR: Final = 0.07
SMALLEST_SCALE: Final = 0.2  # of a coefficient that was found to be 0
COVERED_ROWS: Final = 5  # with fewer of its own rows a setup counts as a stranger
BAND_PERCENTILES: Final = (0.1, 0.9)
_TERMS: Final = 7
Weights = Sequence[float]
Band = tuple[float, float]
Key = tuple[str, str, int, str, str]  # model, accelerator, count, precision, engine


@dataclass(frozen=True, slots=True)
class Bands:
    """Published / predicted, 10th and 90th percentile, 1 inside: of request latency, TTFT and TPOT."""

    total: Band
    ttft: Band
    tpot: Band


@dataclass(frozen=True, slots=True)
class Example:
    """A row and the datasheet's time of each term up to its first token, and per token after it."""

    row: Row
    ttft: Work
    tpot: Work


@cache
def examples() -> tuple[Example, ...]:
    """Return all rows with their terms."""
    return tuple(_example(row) for row in facts.rows())


def weights(key: Key, left_out: frozenset[Row] = frozenset()) -> list[float]:
    """Return the seven coefficients of a setup, from all rows but those left out.

    Only TPOT is fitted. Counting TTFT rows as well, a hundredth as much, would bring the mean |log(published /
    predicted)| of TTFT from 0.76 to 0.58 but that of TPOT from 0.083 to 0.095 and of requests from 0.093 to
    0.106: most of the time is in the tokens.
    """
    seen = [one for one in examples() if one.row not in left_out]
    own = [one for one in seen if one.row.setup == key]
    near = nearest(key, [one.row for one in seen])
    if near is None:
        return _held(_common(left_out), own)
    if not own:
        return weights(near, left_out)
    return _held(_held(_common(left_out), [one for one in seen if one.row.setup == near]), own)


def nearest(key: Key, rows: Iterable[Row]) -> Key | None:
    """Return the other setup of a model of this shape that is most like this one; None without any.

    Alike are, in this order: precision, count, engine; then the more rows the better. The accelerator does
    not matter, so that all accelerators without rows start from the same coefficients and rank as their
    datasheets do.
    """
    shape = _shape(key[0])
    others = Counter(row.setup for row in rows if _shape(row.model) == shape and row.setup != key)

    def distance(other: Key) -> tuple[bool, float, bool, int]:
        far = abs(math.log(key[2] / other[2]))
        return key[3] != other[3], far, key[4] != other[4], -others[other]

    return min(sorted(others), key=distance, default=None)


def bands(key: Key) -> Bands:
    """Return how far the fit misses rows of the setup; with fewer than `COVERED_ROWS`, how far a stranger's.

    Rows of equal lengths are left out together, or single rows where all have the same lengths; no part of
    the fit has seen what is left out.
    """
    own = [one for one in examples() if one.row.setup == key]
    if len(own) < COVERED_ROWS:
        return unseen_setups()
    return _percentiles([pair for group in _groups(own) for pair in _missed(key, group, group)])


@cache
def unseen_setups() -> Bands:
    """Return how far the fit misses a model on an accelerator, each such pair left out of it altogether."""
    pairs: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for one in examples():
        pairs[one.row.model, one.row.accelerator].append(one)
    ratios = []
    for theirs in pairs.values():
        for key in {one.row.setup for one in theirs}:
            ratios += _missed(key, theirs, [one for one in theirs if one.row.setup == key])
    return _percentiles(ratios)


def _missed(key: Key, left_out: Sequence[Example], asked: Sequence[Example]) -> list[tuple[float, ...]]:
    """Return published / predicted of each asked row, from a fit without those left out."""
    fitted = weights(key, frozenset(one.row for one in left_out))
    return [_ratios(fitted, one) for one in asked]


def _ratios(fitted: Weights, one: Example) -> tuple[float, ...]:
    ttft_s, tpot_s, row = _dot(fitted, one.ttft), _dot(fitted, one.tpot), one.row
    total_s = ttft_s + (row.output_tokens - 1) * tpot_s
    return row.total_s / total_s, row.ttft_s / ttft_s, row.tpot_s / tpot_s


def _groups(own: Iterable[Example]) -> list[list[Example]]:
    by_lengths: dict[tuple[int, int], list[Example]] = defaultdict(list)
    for one in own:
        by_lengths[one.row.input_tokens, one.row.output_tokens].append(one)
    groups = list(by_lengths.values())
    return groups if len(groups) > 1 else [[one] for one in groups[0]]


@cache
def _everybody() -> Normal:
    equations = Normal(_TERMS)
    for one in examples():
        _count(equations, one)
    return equations


@cache
def _common(left_out: frozenset[Row]) -> Weights:
    """Return the coefficients with the least squared relative error of TPOT over all rows but some."""
    equations = _everybody().copy()
    for one in examples():
        if one.row in left_out:
            _count(equations, one, -1.0)
    return equations.solve()


def _held(start: Weights, own: Iterable[Example]) -> list[float]:
    """Return the coefficients that rows ask for, held to those to start from; without rows these."""
    equations = Normal(_TERMS)
    for one in own:
        _count(equations, one)
    for term, value in enumerate(start):
        scale = PRIOR / max(value, SMALLEST_SCALE)
        equations.add([scale if i == term else 0.0 for i in range(_TERMS)], scale * value)
    return equations.solve()


def _count(equations: Normal, one: Example, weight: float = 1.0) -> None:
    equations.add([term / one.row.tpot_s for term in one.tpot], 1.0, weight)


def _example(row: Row) -> Example:
    setup = setup_of(row.setup)
    means = play(setup, Load(row.input_tokens, row.output_tokens, row.concurrency))
    if means.tpot is None:
        raise ValueError(f"a published row needs a second token to have a time per token: {row}")
    return Example(row, _terms(setup, means.ttft), _terms(setup, means.tpot))


def _terms(setup: Setup, work: Work) -> Work:
    """Return what a datasheet says of work; floor and links are both paid per step."""
    return tuple(unit * done for unit, done in zip(setup.unit_times(), (work[0], *work), strict=True))


def _dot(fitted: Weights, terms: Work) -> float:
    return sum(weight * term for weight, term in zip(fitted, terms, strict=True))


def setup_of(key: Key) -> Setup:
    """Return the setup of a key."""
    model, accelerator, count, precision, _ = key
    return Setup(facts.models()[model], facts.accelerators()[accelerator], count, precision)


def _shape(model: str) -> tuple[float, int, int]:
    model_facts = facts.models()[model]
    return model_facts.parameters, model_facts.layers, model_facts.hidden


def _percentiles(ratios: Sequence[tuple[float, ...]]) -> Bands:
    return Bands(*(_band(sorted(column)) for column in zip(*ratios, strict=True)))


def _band(ordered: Sequence[float]) -> Band:
    low, high = BAND_PERCENTILES
    return min(1.0, _percentile(ordered, low)), max(1.0, _percentile(ordered, high))


def _percentile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
