"""The levels of load of `orchprof bench`: one, or those of a sweep, and what their runs are called."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from orchprof.cli.words import MOST_AT_A_TIME, rate_per_s, several, whole
from orchprof.errors import UsageError

if TYPE_CHECKING:
    from orchprof.bench.schedule import Load
    from orchprof.bench.settings import Plan


class Level(TypedDict):
    """What differs between the runs of a sweep."""

    concurrency: int
    mode: str
    load: "Load"


def load_of(
    arrivals: str, burstiness: float | None, duration_s: float | None, ramp_s: float | None
) -> "Load":
    """Return the load that these options ask for, the rate left open.

    Raises:
        UsageError: a burstiness of what has none.
    """
    from orchprof.bench.schedule import Load

    kind, _, trace = arrivals.partition(":")
    if burstiness is not None and kind != "gamma":
        raise UsageError(f"only gamma has one, {burstiness:g} @ --burstiness, add --arrivals gamma")
    burst = {} if burstiness is None else {"burstiness": burstiness}
    return Load(None, kind, trace=trace or None, duration_s=duration_s, ramp_s=ramp_s or 0.0, **burst)


def levels(concurrency: str, rate: str | None, base: "Load", mode: str | None) -> "list[Level]":
    """Return what differs between the runs of a sweep: concurrency, mode and load.

    Raises:
        UsageError: a level that is no number, or two sweeps at a time.
    """
    at_a_time = several(concurrency, whole(1, "--concurrency", MOST_AT_A_TIME))
    rates = several(rate, rate_per_s("--rate")) if rate is not None else [base.rate_per_s]
    if len(at_a_time) > 1 and len(rates) > 1:
        raise UsageError(f"two sweeps at a time, {rate} @ --rate, sweep --concurrency or --rate")
    return [
        {"concurrency": tasks, "mode": mode or _mode(tasks, load), "load": load}
        for tasks in at_a_time
        for load in (replace(base, rate_per_s=per_s) for per_s in rates)
    ]


def _mode(concurrency: int, load: "Load") -> str:
    from orchprof.bench.worker_config import AUTO

    if load.is_open:
        return AUTO
    return "sequential" if concurrency == 1 else "threads"


def run_names(plans: Sequence["Plan"]) -> list[str]:
    """Return a directory's name for each plan: workload and variant, and the level in a sweep.

    The model's kind is added to one that ran before on another.
    """
    names: list[str] = []
    for plan in plans:
        name = path_name(f"{plan.workload}-{plan.variant}" if plan.variant else plan.workload)
        like = {_level(other) for other in plans if other.workload == plan.workload}
        name += f"-{_level(plan)}" if len(like) > 1 else ""
        names.append(f"{name}-{plan.model.partition(':')[0]}" if name in names else name)
    return names


def _level(plan: "Plan") -> str:
    rate = plan.load.rate_per_s
    return f"c{plan.concurrency}" if rate is None else f"r{rate:g}"


def path_name(workload: str) -> str:
    """Return a workload's name as a directory can be called: `module:function` with a dot."""
    return workload.replace(":", ".")
