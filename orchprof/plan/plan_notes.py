"""Said: what a reader of a plan must know: where it leaves what was measured, and what it takes for granted."""

from typing import Final

from orchprof.contract.plan import PlanFinding
from orchprof.plan.demand import Demand
from orchprof.plan.laws import SPEED_UNCERTAINTY
from orchprof.plan.question import Question, few
from orchprof.plan.search.trial import Trial

_BEYOND: Final = 2.0  # times what was measured: the simulation goes on, and the record says by how much


def findings(question: Question, best: Trial) -> list[PlanFinding]:
    """Return what a reader must know: where the answer leaves what was measured, and by how much."""
    return [
        *_few(question),
        *_beyond(question, best),
        *_other_mode(question),
        *(finding for demand in question.demands for finding in _of_run(demand)),
    ]


def _few(question: Question) -> list[PlanFinding]:
    return [
        _finding(
            "few_tasks",
            f"{tasks} tasks of {name} were measured, {least} tell how they differ: the interval is wider for it; "
            f"run it with --tasks {least}",
        )
        for name, tasks, least in few(question)
    ]


def _of_run(each: Demand) -> list[PlanFinding]:
    notes = [
        _finding(code, said.format(each.name)) for code, said in _OF_RUN.items() if code in each.findings
    ]
    if each.failed:
        notes.append(_finding("failed", f"{each.failed} tasks of {each.name} failed; what they used counts"))
    if each.base_bytes is None:
        notes.append(_finding("memory", f"no memory was measured of {each.name}: it is taken for nothing"))
    return notes


_OF_RUN: Final = {
    "saturated": "{} was measured while it drowned: its waits for resources are taken out, the tasks are all there",
    "two_speeds": "cores changed speed while {} was measured: its core-seconds are doubtful",
    "loaded": "others used the machine while {} was measured: its core-seconds are doubtful",
    "extrapolated": "no published measurement is like the requests of {}: see its band",
}


def _beyond(question: Question, best: Trial) -> list[PlanFinding]:
    notes, rate_per_s = [], best.traffic.rate_per_s
    seen = max(demand.seen.concurrency for demand in question.demands)
    per_worker = best.layout.per_worker
    if per_worker > _BEYOND * seen:
        notes.append(
            _finding(
                "extrapolated_concurrency",
                f"{per_worker} tasks share a worker, {per_worker / seen:.3g} times the {seen} that were measured: "
                "measure with --concurrency, or back-test",
            )
        )
    rates = [demand.seen.throughput_per_s for demand in question.demands if demand.seen.throughput_per_s]
    if rate_per_s and rates:
        per_host = rate_per_s / best.fleet.hosts
        if per_host > _BEYOND * sum(rates):
            notes.append(
                _finding(
                    "extrapolated_rate",
                    f"{per_host:.3g} tasks/s on each machine, {per_host / sum(rates):.3g} times the {sum(rates):.3g} "
                    "that were measured: the simulation says so, --backtest would show",
                )
            )
    return notes


def _other_mode(question: Question) -> list[PlanFinding]:
    """Return what is doubtful of agents that were measured one way and are to run another."""
    is_loop = question.layout.mode == "async"
    return [
        _finding(
            "other_mode", f"{demand.name} was measured in mode {own}: on an event loop agents do other work"
        )
        for demand in question.demands
        if (own := demand.params.mode) is not None and (own == "async") != is_loop
    ]


def _finding(code: str, message: str) -> PlanFinding:
    return PlanFinding(code=code, message=message)


def assumptions(question: Question, best: Trial) -> list[str]:
    """Return what the answer takes for granted, a sentence each."""
    said = [
        "each simulated task is a recorded one, drawn whole",
        "waits for cores, the interpreter, a loop or a pool are taken out of it: the simulation makes its own",
        "a process's Python code holds its interpreter; its children and other processes have their own",
    ]
    if question.calibration is None:
        said.append(
            f"CPU speed assumed equal: a vCPU is one of the run's cores; the confidence is over cores up to "
            f"{SPEED_UNCERTAINTY:.0%} slower"
        )
    else:
        said.append("CPU scaled by the calibration's core speed, all cores at work")
    if question.band is not None:
        low, high = question.band
        said.append(
            f"model time is MODELLED, x{low:.2g}-{high:.2g}; the interval does not hold that uncertainty"
        )
    else:
        said.append("the model's times stay as they were recorded, whatever the load")
    if best.traffic.users is not None and not best.traffic.is_closed:
        said.append("users think for longer than they may wait: their tasks come like a stream of as many")
    if best.part < 1:
        said.append(f"{best.part:.0%} of the machines were simulated, with their part of the load")
    said += [f"{quota.station}: {quota.per_s:.4g} per second for all machines" for quota in question.quotas]
    said.append(
        f"confidence: that of one more run of {best.tasks} tasks; runs with chances of their own checked it"
    )
    said.append("hosts are given to tasks by who has the fewest; machines are paid whole, on demand")
    return said
