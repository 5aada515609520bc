"""Comparing: the trials' truth beside their ledgers becomes the record `orchprof.verify/1`."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from orchprof.contract.env import Fingerprint
from orchprof.contract.verify import CheckName, CheckRow, LabelRow, LeftOut, Overhead, ShapeCounts, Verify
from orchprof.verify.accuracy import (
    CONSERVATION_LIMIT_S,
    MOST,
    OVERHEAD_LIMIT,
    SAMPLE_S,
    TICK_S,
    UNEXPLAINED_LIMIT,
    Label,
)
from orchprof.verify.measurement import Trial
from orchprof.verify.shapes import LEFT_OUT, SHAPES, Shape, lacking

# Above this share of the cores in use by others before the start, errors are the machine's as much as ours.
LOADED_ABOVE: Final = 0.5


def compare(
    trials: Sequence[Trial],
    machine: Fingerprint,
    shapes: Mapping[str, Shape] = SHAPES,
    *,
    interrupted: bool = False,
) -> Verify:
    """Return the record of some trials; floats are not rounded. Without any nothing is checked, and nothing passed.

    The error of a label is the median over the trials of |measured - truth|, and that relative to the truth.

    Args:
        trials: what was measured.
        machine: its fingerprint from before the first.
        shapes: those that were asked for.
        interrupted: somebody stopped it before the end.
    """
    absent = {name: why for name, shape in shapes.items() if (why := lacking(shape))}
    slack_s = _slack_s(trials, machine)
    labels = [
        _row(label, trials, slack_s)
        for shape in shapes.values()
        for label in shape.labels
        if any(label in trial.truth_s for trial in trials)
    ]
    checks = _checks(trials) if trials else []
    return Verify(
        runs=len(trials),
        interrupted=interrupted,
        labelled_by=_labelled_by(trials),
        machine=machine,
        loaded=machine.load_average[0] > LOADED_ABOVE * machine.cores,
        shapes=ShapeCounts(asked=len(shapes), made=len(shapes) - len(absent), rows=len(labels)),
        labels=labels,
        checks=checks,
        left_out=[LeftOut(what=what, why=why) for what, why in {**LEFT_OUT, **absent}.items()],
        overhead=_overhead(trials) if trials else None,
        passed=bool(labels) and all(row.ok for row in labels) and all(check.ok for check in checks),
    )


def _slack_s(trials: Sequence[Trial], machine: Fingerprint) -> float:
    """Return for how long a thread may be off its core between two readings of the same instant."""
    load = max([machine.load_average[0], *(one.load for one in trials)])
    return TICK_S * (1 + float(load / machine.cores))


def _row(label: Label, trials: Sequence[Trial], slack_s: float) -> LabelRow:
    pairs = [(one.truth_s[label], one.measured_s[label]) for one in trials if label in one.truth_s]
    errors = [relative_error(truth, measured_s) for truth, measured_s in pairs]
    truth_s, error_s = (
        median(truth for truth, _ in pairs),
        median(abs(measured_s - truth) for truth, measured_s in pairs),
    )
    resolved_s = max(label.limit * truth_s, slack_s) + label.samples * SAMPLE_S
    limit_s = min(resolved_s, MOST * truth_s) if truth_s else resolved_s
    return LabelRow(
        shape=label.shape,
        who=label.who,
        what=label.what,
        measure=label.measure,
        truth_s=truth_s,
        measured_s=median(measured_s for _, measured_s in pairs),
        error=median(map(abs, errors)),
        bias=median(errors),
        worst=max(errors, key=abs),
        limit=label.limit,
        error_s=error_s,
        limit_s=limit_s,
        ok=error_s <= limit_s,
    )


def relative_error(truth: float, measured: float) -> float:
    """Return (found - truth) / truth; infinite where something was found and nothing was there."""
    if truth > 0:
        return (measured - truth) / truth
    return 0.0 if measured == truth else float("inf")


def _checks(trials: Sequence[Trial]) -> list[CheckRow]:
    """Return what must hold of every ledger; the worst trial counts for balance, the median for the others."""
    told: tuple[tuple[CheckName, float, float], ...] = (
        ("conservation_error_s", max(one.conservation_error_s for one in trials), CONSERVATION_LIMIT_S),
        ("unexplained_share", median(one.unexplained_share for one in trials), UNEXPLAINED_LIMIT),
        ("overhead_error", abs(_overhead_error(trials)), OVERHEAD_LIMIT),
    )
    return [CheckRow(name=name, value=value, limit=limit, ok=value < limit) for name, value, limit in told]


def _labelled_by(trials: Sequence[Trial]) -> str:
    by = next((one.asked_by for one in trials if one.asked_by), None)
    return {"openai": "openai's client and --tool", "httpx": "--tool only", None: "--tool only"}[by]


def _overhead(trials: Sequence[Trial]) -> Overhead:
    costs = [one.cost for one in trials]
    return Overhead(
        cpu_on_s=median(one.cpu_on_s for one in costs),
        cpu_off_s=median(one.cpu_off_s for one in costs),
        cpu_share=median(one.cpu_on_s / one.cpu_off_s - 1 for one in costs),
        outside_s=median(one.watch_s for one in costs),
        paired_s=_paired_s(trials),
        profiler_s=median(one.profiler_s for one in costs),
        error=_overhead_error(trials),
    )


def _paired_s(trials: Sequence[Trial]) -> float:
    """Return the CPU that recording took by the kernel: with less without, of the same round."""
    return median(one.cost.cpu_on_s - one.cost.cpu_off_s for one in trials)


def _overhead_error(trials: Sequence[Trial]) -> float:
    return relative_error(_paired_s(trials), median(one.cost.profiler_s for one in trials))
