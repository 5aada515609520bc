"""Crossings: how much slower or faster the model would have to be for a share to pass a bound."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from orchprof.claim.scaled import READINGS, Outcome, Scalable, outcome
from orchprof.claim.verdict import HIGH, LOW
from orchprof.contract.report import ModelCalls
from orchprof.units import NS_PER_S

REACH: Final = 1000.0  # a model this much faster or slower than recorded is as far as we look
_STEPS: Final = 12  # of the grid on either side of the recorded speed
_HALVINGS: Final = 20  # of one step: to a millionth
# Replayed at any speed, so there are no two measured neighbours that it lies between.
_OVER: Final = {"over": "model", "name": "model_time", "between": None, "clear": None, "measured": None}
Curve = Callable[[float], float | None]


def crossings(tasks: Sequence[Scalable], calls: ModelCalls, readings: Sequence[str]) -> list[dict[str, Any]]:
    """Return where each reading passes 50 % and 90 %, nearest to the recorded speed; None where it never does.

    `output_tokens` is per call, by the recorded time per token, None where prompts alone would take longer;
    `model_s` is per task, on the critical path.

    Args:
        tasks: of one run.
        calls: the report's `model_calls`.
        readings: of READINGS, those that are known in this run.
    """
    seen: dict[float, Outcome] = {}

    def at(multiplier: float) -> Outcome:
        if multiplier not in seen:
            seen[multiplier] = outcome(tasks, multiplier)
        return seen[multiplier]

    def share(reading: str, multiplier: float) -> float | None:
        return at(multiplier).share(reading)

    rows = []
    for reading in (each for each in READINGS if each in readings):
        for level in (LOW, HIGH):
            found = nearest(partial(share, reading), level)
            rows.append(
                {"reading": reading, "level": level, **_described(found, calls, at), **_OVER, "at": found}
            )
    return rows


def _described(
    multiplier: float | None, calls: ModelCalls, at: Callable[[float], Outcome]
) -> dict[str, float | None]:
    if multiplier is None:
        return {"multiplier": None, "output_tokens": None, "model_s": None}
    return {
        "multiplier": multiplier,
        "output_tokens": output_tokens(multiplier, calls),
        "model_s": float(at(multiplier).model.mean()) / NS_PER_S,
    }


def output_tokens(multiplier: float, calls: ModelCalls) -> float | None:
    """Return how many tokens a call would have to write to take so many times as long; None when not known."""
    tpot_s, tokens = calls.tpot_s, calls.output_tokens
    ttft_s = calls.prefill_s if calls.ttft_s is None else calls.ttft_s
    if ttft_s is None or not tpot_s or tokens is None:
        return None
    longer = 1 + (multiplier * (ttft_s + tpot_s * (tokens - 1)) - ttft_s) / tpot_s
    return float(longer) if longer >= 1 else None


def nearest(share: Curve, level: float) -> float | None:
    """Return the multiplier nearest to 1 at which a share passes a level; None within the reach.

    A grid, equal steps of the logarithm, finds the step that holds it, bisection the place in it. Two passings
    inside one step (a factor of 1.8) are not seen.

    Args:
        share: of the multiplier; None where there is none.
        level: to be passed.
    """
    step = math.log(REACH) / _STEPS
    found = [_outward(share, level, direction * step) for direction in (-1, 1)]
    return min((each for each in found if each is not None), key=lambda k: abs(math.log(k)), default=None)


def _outward(share: Curve, level: float, step: float) -> float | None:
    inner = 0.0
    for _ in range(_STEPS):
        outer = inner + step
        if _passed(share, level, inner, outer):
            return _bisected(share, level, inner, outer)
        inner = outer
    return None


def _passed(share: Curve, level: float, a: float, b: float) -> bool:
    one, other = share(math.exp(a)), share(math.exp(b))
    return one is not None and other is not None and (one >= level) != (other >= level)


def _bisected(share: Curve, level: float, a: float, b: float) -> float:
    for _ in range(_HALVINGS):
        middle = (a + b) / 2
        if _passed(share, level, a, middle):
            b = middle
        else:
            a = middle
    return math.exp((a + b) / 2)
