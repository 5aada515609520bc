"""Failures: what it would buy if tasks failed less often, or sooner, and if model calls failed less expensively."""

from collections.abc import Iterator
from typing import Final

from orchprof.contract.economics import FixRow
from orchprof.economics.bill.bill import Bill
from orchprof.economics.bill.task_usage import Usage
from orchprof.economics.replayed import Recorded

PER: Final = 1000
LESS_OFTEN: Final = "fail half as often"
SOONER: Final = "fail in half the time"
CALLS: Final = "failed model calls"
UNPRICED: Final = "unpriced"
_NEVER: Final = "no task succeeded, so that a success has no cost to be lowered"


def rows(bill: Bill, usage: Usage, tasks: Recorded) -> Iterator[FixRow]:
    """Yield a row of `fix_first` for each kind of failure that the run had.

    LESS_OFTEN: half of the tasks that failed succeed, and take and cost what those do that succeeded; the saving is
    of the cost per success, times the successes in PER tasks. SOONER: they take half of all that they took. CALLS:
    model calls that failed take half the time and cost half of what was paid for them. Times are of the mean task.

    Args:
        bill: of a run.
        usage: what it was made for.
        tasks: of the run, to replay.
    """
    failed, base_s = ~usage.ok, float(usage.latency_s.mean())
    if failed.any():
        yield row(LESS_OFTEN, None, base_s, *_less_often(bill, usage))
        saved_s = float(usage.latency_s[failed].sum()) / 2 / usage.n
        yield row(SOONER, saved_s, base_s, *_sooner(bill, usage))
    broken = ~usage.calls.answered
    if broken.any() and bill.by_call is not None:
        whole = tasks.mean_s({})
        less_s = whole - tasks.strands_s(usage.calls.strand[broken], 0.5)
        held = sum(_sum(bill, name) for name in ("cpu_reserved", "memory")) / usage.n
        paid = float(bill.by_call[broken].sum()) / 2 / usage.n
        yield row(CALLS, less_s, whole, paid + held * less_s / whole)


def _sooner(bill: Bill, usage: Usage) -> tuple[float | None, str | None]:
    """Return USD per task that failures save which take half of all they took, and why there are none."""
    if bill.total is None:
        return None, UNPRICED
    return float(bill.by_task[~usage.ok].sum()) / 2 / usage.n, None


def _less_often(bill: Bill, usage: Usage) -> tuple[float | None, str | None]:
    """Return USD per task that half as many failures save, and why there are none."""
    if bill.total is None:
        return None, UNPRICED
    if not bill.successes:
        return None, _NEVER
    mended = (bill.n - bill.successes) / 2
    right, wrong = (float(bill.by_task[some].mean()) for some in (usage.ok, ~usage.ok))
    whole = float(bill.total)
    now = whole / bill.successes
    then = (whole + mended * (right - wrong)) / (bill.successes + mended)
    return (now - then) * bill.successes / bill.n, None


def row(
    what: str, saved_s: float | None, base_s: float, usd: float | None, reason: str | None = None
) -> FixRow:
    """Return a row of `fix_first`.

    Args:
        what: would change.
        saved_s: of the mean task's latency; None: not known.
        base_s: the mean task's latency as it is.
        usd: saved per task; None: not known.
        reason: why something is not known.
    """
    return FixRow(
        what=what,
        latency_saved_s=saved_s,
        latency_saved_share=None if saved_s is None or not base_s else saved_s / base_s,
        usd_saved=None if usd is None else usd * PER,
        reason=reason,
    )


def _sum(bill: Bill, name: str) -> float:
    usd = bill.parts[name].usd
    return 0.0 if usd is None else float(usd)
