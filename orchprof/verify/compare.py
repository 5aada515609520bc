"""Comparing: the trials' truth beside their ledgers becomes the record `orchprof.verify/1`."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from orchprof.verify.labels import CONSERVATION_LIMIT_S, LABELS, LEFT_OUT, UNEXPLAINED_LIMIT, Label
from orchprof.verify.trial import Trial

SCHEMA: Final = "orchprof.verify/1"
# Above this share of the cores in use by others before the start, errors are the machine's as much as ours.
LOADED_ABOVE: Final = 0.5

Record = dict[str, Any]


def compare(trials: Sequence[Trial], machine: Mapping[str, Any], *, interrupted: bool = False) -> Record:
    """Return the record of some trials; floats are not rounded. Without any nothing is checked, and nothing passed.

    The error of a label is the median over the trials of |measured - truth| / truth.

    Args:
        trials: what was measured.
        machine: its fingerprint from before the first, `load_average` and `cores` among it.
        interrupted: somebody stopped it before the end.
    """
    labels = [_row(label, trials) for label in LABELS if any(label in trial.truth_s for trial in trials)]
    checks = _checks(trials) if trials else []
    return {
        "schema": SCHEMA,
        "runs": len(trials),
        "interrupted": interrupted,
        "labelled_by": _labelled_by(trials),
        "machine": dict(machine),
        "loaded": machine["load_average"][0] > LOADED_ABOVE * machine["cores"],
        "labels": labels,
        "checks": checks,
        "left_out": [{"what": what, "why": why} for what, why in LEFT_OUT.items()],
        "overhead": _overhead(trials) if trials else None,
        "passed": bool(labels) and all(row["ok"] for row in [*labels, *checks]),
    }


def _row(label: Label, trials: Sequence[Trial]) -> Record:
    pairs = [(one.truth_s[label], one.measured_s[label]) for one in trials if label in one.truth_s]
    errors = [relative_error(truth, found) for truth, found in pairs]
    error = median(map(abs, errors))
    return {
        "shape": label.shape,
        "who": label.who,
        "what": label.what,
        "measure": label.measure,
        "truth_s": median(truth for truth, _ in pairs),
        "measured_s": median(found for _, found in pairs),
        "error": error,
        "bias": median(errors),
        "worst": max(errors, key=abs),
        "limit": label.limit,
        "ok": error <= label.limit,
    }


def relative_error(truth: float, found: float) -> float:
    """Return (found - truth) / truth; infinite where something was found and nothing was there."""
    if truth > 0:
        return (found - truth) / truth
    return 0.0 if found == truth else float("inf")


def _checks(trials: Sequence[Trial]) -> list[Record]:
    """Return what must hold of every ledger; the worst trial counts for balance, the median for what is unexplained."""
    told = (
        ("conservation_error_s", max(one.conservation_error_s for one in trials), CONSERVATION_LIMIT_S),
        ("unexplained_share", median(one.unexplained_share for one in trials), UNEXPLAINED_LIMIT),
    )
    return [
        {"name": name, "value": value, "limit": limit, "ok": value < limit} for name, value, limit in told
    ]


def _labelled_by(trials: Sequence[Trial]) -> str:
    by = trials[0].asked_by if trials else None
    return {"openai": "openai's client and --tool", "httpx": "--tool only", None: "nothing"}[by]


def _overhead(trials: Sequence[Trial]) -> Record:
    return {
        "cpu_on_s": median(one.cpu_on_s for one in trials),
        "cpu_off_s": median(one.cpu_off_s for one in trials),
        "cpu_share": median(one.cpu_on_s / one.cpu_off_s - 1 for one in trials),
        "outside_s": median(one.watch_s for one in trials),
    }
