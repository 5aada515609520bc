"""Spread: between which ends a cost lies, for the sampled tasks, the modelled time and the utilisation."""

from collections.abc import Mapping
from typing import Final

from orchprof.contract.cost import Cause, CostRange, Ends, RangePart
from orchprof.economics.bill.priced_run import Priced
from orchprof.economics.sensitivity.ranges import utilisation_ends

_MODELLED: Final = "modelled"


def band(run: Priced) -> Ends | None:
    """Return the cost per success at both ends of the band of modelled accelerator time; None: it is not modelled."""
    ends = _band(run)
    if ends is None or run.bill.per_success is None:
        return None
    return _at(run, ends[0]), _at(run, ends[1])


def spread(run: Priced, sampled: Ends | None) -> CostRange | None:
    """Return `low` and `high` of the cost per success, and under `parts` what each cause alone does to it.

    `low` and `high` are where all causes are at the same end. Prices are as they are. None where a success has no
    cost; a cause that there is none of, or that is not known, is left out.

    Args:
        run: with its bill.
        sampled: the interval of the cost per success over the tasks; None: too few of them.
    """
    if run.bill.per_success is None:
        return None
    base = float(run.bill.per_success)
    times: dict[Cause, Ends] = {}
    if (modelled := _band(run)) is not None:
        times["model time band"] = modelled
    if run.bill.parts["accelerator"].usd and run.tariff.accelerator is not None:
        now = float(run.tariff.utilisation)
        least, most, _ = utilisation_ends(now)
        times["utilisation"] = now / most, now / least
    parts = [
        RangePart(cause=cause, low=_at(run, ends[0]), high=_at(run, ends[1])) for cause, ends in times.items()
    ]
    low, high = _at(run, _product(times, 0)), _at(run, _product(times, 1))
    if sampled is not None:
        parts.insert(0, RangePart(cause="sampling", low=sampled[0], high=sampled[1]))
        if base:
            low, high = low * min(sampled[0] / base, 1.0), high * max(sampled[1] / base, 1.0)
    return CostRange(low=min(low, base), high=max(high, base), parts=parts)


def _band(run: Priced) -> Ends | None:
    model = run.report.run.model
    if not run.bill.parts["accelerator"].usd or model.provenance != _MODELLED:
        return None
    return model.band


def _at(run: Priced, times: float) -> float:
    """Return the cost per success with the accelerator's part multiplied."""
    served = float(run.bill.parts["accelerator"].usd or 0)
    return (float(run.bill.known) + served * (times - 1)) / run.bill.successes


def _product(times: Mapping[Cause, Ends], end: int) -> float:
    product = 1.0
    for ends in times.values():
        product *= ends[end]
    return product
