"""Load: how fast tasks were sent and ended, and whether the sender kept to its schedule."""

from typing import Any, Final

import numpy as np

from orchprof.contract.report import Load, SendLag
from orchprof.contract.run import Noted, RunMeta
from orchprof.ledger.graph.columns import Floats, Ints, flags, ints
from orchprof.ledger.graph.task_strands import Tables
from orchprof.stats.intervals import percentile
from orchprof.units import NS_PER_S

LAG_LIMIT_S: Final = 0.02
ACHIEVED: Final = 0.98


def load(tables: Tables, meta: RunMeta) -> Load | None:
    """Return how tasks were put to the workload; None of a run that no bench drove.

    Warm-up, the ramp included, is left out. `rate_per_s` is what was asked, `scheduled_per_s` what the drawn
    schedule holds, `achieved_per_s` what was sent, each first to last; `throughput_per_s` is tasks that ended and
    were not wrong, by the time from the first's start to the last's end (and a gap of the schedule, whose n tasks fill
    n gaps), so it holds the running-out at the end.
    Rates of fewer than two tasks are None. `send_lag_s` is start less due; p99 needs 100 tasks. `degraded`: the
    sender fell behind, see `behind`.
    """
    params = meta.params
    if params.mode is None:
        return None
    sent = _sent(tables)
    due, start = ints(sent["due_ns"]), ints(sent["start_ns"])
    is_open = params.arrivals is not None
    lag = (start - due) / NS_PER_S if is_open else np.empty(0)
    scheduled_per_s = _rate(due) if is_open else None
    return Load(
        kind="open" if is_open else "closed",
        mode=params.mode,
        concurrency=params.concurrency if not is_open or params.mode == "processes" else None,
        rate_per_s=params.rate_per_s,
        arrivals=params.arrivals,
        duration_s=params.duration_s,
        ramp_s=params.ramp_s,
        scheduled_per_s=scheduled_per_s,
        achieved_per_s=_rate(start),
        throughput_per_s=_throughput(sent, scheduled_per_s),
        send_lag_s=_lag(lag) if len(lag) else None,
        degraded=behind(tables, meta) is not None,
        saturated=is_saturated(meta),
    )


def is_saturated(meta: RunMeta) -> bool:
    """Return whether the bench stopped because more tasks came than went."""
    return "saturated" in {_code(finding) for finding in meta.findings}


def response_ns(tables: Tables, meta: RunMeta, tasks: Ints) -> Floats | None:
    """Return due to end of the given tasks, (n,) in ns; None in a closed loop, where no task was due at any time.

    A task that starts late because the agent is busy waits as a user would: latency alone leaves that out.

    Source: "coordinated omission", Tene (2013), How not to measure latency.
    """
    if meta.params.arrivals is None:
        return None
    table = tables["tasks"]
    counted = table[np.isin(ints(table["task"]), tasks)]
    return np.asarray(ints(counted["end_ns"]) - ints(counted["due_ns"]), dtype=np.float64)


def behind(tables: Tables, meta: RunMeta) -> str | None:
    """Return how far the sender of an open loop fell behind; None when it kept up.

    It did not when the lag's p99 (its maximum under 100 tasks) is above LAG_LIMIT_S, or when less than ACHIEVED of
    the schedule's rate was sent.
    """
    if meta.params.arrivals is None:
        return None
    sent = _sent(tables)
    due, start = ints(sent["due_ns"]), ints(sent["start_ns"])
    if not len(sent):
        return None
    lag = (start - due) / NS_PER_S
    late_s = percentile(lag, 0.99)
    late_s = float(lag.max()) if late_s is None else late_s
    planned, achieved = _rate(due), _rate(start)
    if late_s > LAG_LIMIT_S:
        return f"tasks were sent up to {late_s * 1e3:.0f} ms late: the sender fell behind its schedule"
    if planned and achieved and achieved < ACHIEVED * planned:
        return f"{achieved:.3g} tasks/s were sent of {planned:.3g} that were due: the sender fell behind"
    return None


def _sent(tables: Tables) -> Any:
    table = tables["tasks"]
    return table[~flags(table["warmup"])].sort_values("start_ns")


def _rate(at_ns: Ints) -> float | None:
    """Return events per second, from the first to the last."""
    span = int(at_ns.max() - at_ns.min()) if len(at_ns) else 0
    return (len(at_ns) - 1) * NS_PER_S / span if span else None


def _throughput(sent: Any, scheduled_per_s: float | None) -> float | None:
    ended = sent[sent["end_ns"].notna()]
    if not len(ended):
        return None
    wrong = (~flags(ended["ok"]) & ended["ok"].notna().to_numpy()) | flags(ended["timed_out"])
    span_s = (int(ints(ended["end_ns"]).max()) - int(ints(sent["start_ns"]).min())) / NS_PER_S
    # n tasks of a schedule fill n gaps, the last of which nothing ends.
    span_s += 1 / scheduled_per_s if scheduled_per_s else 0.0
    return float((~wrong).sum()) / span_s if span_s else None


def _lag(lag: Floats) -> SendLag:
    return SendLag(p50=percentile(lag, 0.5), p99=percentile(lag, 0.99), max=float(lag.max()))


def _code(finding: Noted | str) -> str:
    return finding if isinstance(finding, str) else finding.code
