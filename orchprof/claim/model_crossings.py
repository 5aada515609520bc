"""Crossings: how much slower or faster the model would have to be for a share to cross a bound."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

from orchprof.claim.measured import Measured
from orchprof.claim.scaled import Outcome, outcome
from orchprof.claim.verdict import HIGH, LOW
from orchprof.contract.claim import Crossing, Definition
from orchprof.contract.report import ModelCalls
from orchprof.units import NS_PER_S

REACH: Final = 1000.0  # a model this much faster or slower than recorded is as far as we look
_STEPS: Final = 12  # of the grid on either side of the recorded speed
_HALVINGS: Final = 20  # of one step: to a millionth
Curve = Callable[[float], float | None]


def model_crossings(run: Measured) -> list[Crossing]:
    """Return where each share crosses 50 % and 90 %, nearest to the recorded speed; None where it never does.

    `output_tokens` is per call, by the recorded time per token, None where prompts alone would take longer;
    `model_s` is per task, on the critical path.
    """

    @cache
    def at(multiplier: float) -> Outcome:
        return outcome(run.tasks, multiplier)

    return [_row(run, definition, level, at) for definition in run.shares for level in (LOW, HIGH)]


def _row(run: Measured, definition: Definition, level: float, at: Callable[[float], Outcome]) -> Crossing:
    multiplier, of = nearest(lambda k: at(k).share(definition), level), run.identity
    row = Crossing(
        run=of.run, workload=of.workload, setting=of.setting, reading=definition, level=level, over="model",
        name="model_time",
    )  # fmt: skip
    if multiplier is None:
        return row
    return replace(
        row, multiplier=multiplier, output_tokens=output_tokens(multiplier, run.report.model_calls),
        model_s=float(at(multiplier).model.mean()) / NS_PER_S, at=multiplier,
    )  # fmt: skip


def output_tokens(multiplier: float, calls: ModelCalls) -> float | None:
    """Return how many tokens a call would have to write to take so many times as long; None when not known."""
    tpot_s, tokens = calls.tpot_s, calls.output_tokens
    ttft_s = calls.prefill_s if calls.ttft_s is None else calls.ttft_s
    if ttft_s is None or not tpot_s or tokens is None:
        return None
    longer = 1 + (multiplier * (ttft_s + tpot_s * (tokens - 1)) - ttft_s) / tpot_s
    return float(longer) if longer >= 1 else None


def nearest(share: Curve, level: float) -> float | None:
    """Return the multiplier nearest to 1 at which a share crosses a level; None within the reach.

    A grid, equal steps of the logarithm, finds the step that holds it, bisection the place in it. Two crossings
    inside one step (a factor of 1.8) are not seen.

    Args:
        share: of the multiplier; None where there is none.
        level: to be crossed.
    """
    step = math.log(REACH) / _STEPS
    crossings = [_outward(share, level, direction * step) for direction in (-1, 1)]
    return min(
        (crossing for crossing in crossings if crossing is not None),
        key=lambda k: abs(math.log(k)),
        default=None,
    )


def _outward(share: Curve, level: float, step: float) -> float | None:
    inner = 0.0
    for _ in range(_STEPS):
        outer = inner + step
        if _crossed(share, level, inner, outer):
            return _bisected(share, level, inner, outer)
        inner = outer
    return None


def _crossed(share: Curve, level: float, a: float, b: float) -> bool:
    one, other = share(math.exp(a)), share(math.exp(b))
    return one is not None and other is not None and (one >= level) != (other >= level)


def _bisected(share: Curve, level: float, a: float, b: float) -> float:
    for _ in range(_HALVINGS):
        middle = (a + b) / 2
        if _crossed(share, level, a, middle):
            b = middle
        else:
            a = middle
    return math.exp((a + b) / 2)
