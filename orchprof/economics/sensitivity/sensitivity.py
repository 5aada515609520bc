"""Sensitivity: how far a successful task's cost moves when what it hangs on does, and which input decides."""

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from orchprof.contract.economics import InputShare, MonteCarlo, SensitivityRow
from orchprof.contract.report import ModelCalls
from orchprof.economics.bill.breakdown import Parts
from orchprof.economics.replayed import Surface
from orchprof.economics.sensitivity.ranges import SHARE, UNITS, Inputs, Range
from orchprof.errors import UsageError
from orchprof.ledger.graph.columns import Floats

Values = Mapping[str, float | Floats]
Cost = Callable[[Values], float | Floats | None]
DRAWS: Final = (100, 1_000_000)


def writing_share(model_calls: ModelCalls) -> float | None:
    """Return which part of a mean call's time grows with the tokens it writes; None where no server says.

    Args:
        model_calls: of orchprof.report/1.
    """
    decode_s = model_calls.decode_s
    rest_s = (model_calls.queue_s or 0.0) + (model_calls.prefill_s or 0.0)
    return decode_s / (decode_s + rest_s) if decode_s else None


def multipliers(ranges: Mapping[str, Range], writing: float) -> tuple[float, float]:
    """Return the smallest and the largest multiplier of the model's time within the ranges."""
    tokens, speed = ranges.get("output_tokens"), ranges.get("accelerator_speed")
    written = (tokens.low, tokens.high) if tokens else (1.0, 1.0)
    slow_fast = (speed.low, speed.high) if speed else (1.0, 1.0)
    low, high = ((1 - writing + writing * times) for times in written)
    return low / slow_fast[1], high / slow_fast[0]


def cost_per_success(now: Inputs, parts: Parts, latency: Surface | None, writing: float) -> Cost:
    """Return the cost of a successful task in USD as a function of the inputs; what is not given stays as it is.

    It takes numbers or arrays. It returns None where no task succeeds: there is no such cost then. More output
    or a faster accelerator moves the model's time, that and orchestration move latency, and with it what is
    reserved for as long as the task takes. Prefill and writing are taken to use the accelerator alike.

    Args:
        now: the inputs as they are.
        parts: a mean task's cost with them; what has no price is left out of the result too.
        latency: how latency moves; None: it does not.
        writing: `writing_share`.
    """
    base = now.known()

    def usd(values: Values) -> float | Floats | None:
        if not base.get("success_rate"):
            return None
        at = {**dict.fromkeys(UNITS, 1.0), **base, **values}
        by = {name: at[name] / base.get(name, 1.0) for name in at}  # times what it is now
        model = (1 - writing + writing * at["output_tokens"]) / at["accelerator_speed"]
        stretch = latency(model, at["orchestration_cpu"]) if latency else 1.0
        held = ((parts.cores_usd or 0.0) * by["core_price"] + (parts.memory_usd or 0.0)) * stretch
        # A model that this machine's own cores computed follows their price.
        rate = by["gpu_price"] / by["utilisation"] if "gpu_price" in base else by["core_price"]
        served = (parts.accelerator_usd or 0.0) * rate * model
        tokens = (parts.written_usd or 0.0) * at["output_tokens"] + (parts.read_usd or 0.0)
        paid = held + served + tokens + (parts.other_usd or 0.0)
        return paid / at["success_rate"]

    return usd


def tornado(cost: Cost, ranges: Mapping[str, Range]) -> list[SensitivityRow]:
    """Return per input the cost at both ends with all others as they are, the widest first.

    `usd_low` is the cost at the low end, so it is the larger one where less costs more. Where a cost is undefined it
    is None, and last.
    """
    rows = [_row(cost, around) for around in ranges.values()]
    return sorted(rows, key=lambda row: (-_span(row), row.input))


def _row(cost: Cost, each: Range) -> SensitivityRow:
    low, high = (_number(cost({each.input: end})) for end in (each.low, each.high))
    return SensitivityRow(
        input=each.input, low=each.low, high=each.high, usd_low=low, usd_high=high,
        base=each.base, unit=each.unit, source=each.source,
    )  # fmt: skip


def _number(usd: float | Floats | None) -> float | None:
    return None if usd is None or not np.isfinite(usd) else float(usd)


def _span(row: SensitivityRow) -> float:
    low, high = row.usd_low, row.usd_high
    return -1.0 if low is None or high is None else abs(high - low)


def monte_carlo(cost: Cost, ranges: Mapping[str, Range], n: int, seed: int = 0) -> MonteCarlo:
    """Return the cost when every input is drawn from its range, on its own: p5, p50, p95, and which input decides.

    Shares are drawn evenly between their ends, all else evenly on a logarithmic scale, as half and double are as
    likely; in a range's `kept` share of the draws the input is as it is. An input's `share` is the square of the rank
    correlation between it and the cost: how much of the cost's order it settles. `base` is the cost with all inputs as
    they are, and `base_quantile` the share of draws that are no dearer: a base at an end of the ranges is at an end of
    the draws. All is None, with a `reason`, where the cost is undefined or nothing has a range.

    Raises:
        UsageError: fewer or more draws than DRAWS.

    Source: rank correlation as a measure of uncertainty importance: Saltelli et al. (2008), Global Sensitivity
    Analysis: The Primer, section 1.2.
    """
    least, most = DRAWS
    if not least <= n <= most:
        raise UsageError(f"number of draws, {n} @ --monte-carlo, give {least} to {most}")
    if not ranges:
        return unknown(n, "no input of this run's cost has a range", seed)
    rng = np.random.default_rng(seed)
    drawn = {around.input: _draws(rng, around, n) for around in ranges.values()}
    usd = cost(drawn)
    if usd is None or not np.isfinite(usd).all():
        return unknown(n, "no task succeeds somewhere in the ranges, so that none has a cost", seed)
    usd = np.broadcast_to(np.asarray(usd, dtype=np.float64), (n,))
    inputs = sorted(_shares(drawn, usd), key=lambda row: (-row.share, row.input))
    p5, p50, p95 = np.quantile(usd, [0.05, 0.5, 0.95]).tolist()
    decides = inputs[0].input if inputs[0].share > 0 else None
    base = _number(cost({around.input: around.base for around in ranges.values()}))
    quantile = None if base is None else float((usd <= base).mean())
    return MonteCarlo(
        n=n, seed=seed, p5=p5, p50=p50, p95=p95, base=base, base_quantile=quantile, decides=decides,
        inputs=inputs, reason=None,
    )  # fmt: skip


def unknown(n: int | None, reason: str, seed: int = 0) -> MonteCarlo:
    """Return draws that nothing is known from, and why."""
    return MonteCarlo(n=n, seed=seed, inputs=[], reason=reason)


def _draws(rng: np.random.Generator, each: Range, n: int) -> Floats:
    if each.unit == SHARE:
        drawn = rng.uniform(each.low, each.high, n)
    else:
        drawn = np.asarray(np.exp(rng.uniform(math.log(each.low), math.log(each.high), n)))
    return np.where(rng.random(n) < each.kept, each.base, drawn) if each.kept else drawn


def _shares(drawn: Mapping[str, Floats], usd: Floats) -> list[InputShare]:
    of_usd = _centred(usd)
    return [
        InputShare(input=name, share=_correlation(_centred(values), of_usd) ** 2)
        for name, values in drawn.items()
    ]


def _centred(values: Floats) -> Floats:
    from scipy.stats import rankdata  # takes longer to import than all else takes to run

    ranks = rankdata(values)
    return np.asarray(ranks - ranks.mean())


def _correlation(one: Floats, other: Floats) -> float:
    norm = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / norm if norm else 0.0
