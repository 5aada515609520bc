"""Refusal: why no fleet of any size meets an SLO, and what to do next."""

from orchprof.errors import OrchprofError
from orchprof.plan.laws import Traffic, batched_s
from orchprof.plan.question import Question
from orchprof.plan.search.rig import SEARCH
from orchprof.plan.search.scenarios import adverse
from orchprof.simulate.system import DELAY


def no_fleet_meets_slo(question: Question, traffic: Traffic, what: str) -> OrchprofError:
    """Return the error for a load that no number of machines is enough for: the sample is in doubt, or what is slow.

    Args:
        question: the target and the work.
        traffic: the load.
        what: that was added in vain: `accelerators`, `these machines`.
    """
    rows = adverse(question, SEARCH).rows
    wish = ", ".join(f"{slo.name} < {slo.most_s:g} s" for slo in question.target.slos)
    start = f"no number of {what} holds it, {wish} at {traffic} @ --slo: "
    for slo in question.target.slos:
        heavy_s = question.alone_s(slo.q, rows)
        if heavy_s > slo.most_s:
            tasks = question.least_tasks
            return OrchprofError(
                f"{start}a task alone takes {question.no_load_at(slo.q):.3g} s at {slo.name}, but {heavy_s:.3g} s in a "
                f"heavy sample of the {tasks} that were measured: record more (--tasks {4 * tasks}), "
                f"allow {heavy_s:.2g} s, or ask for less --confidence"
            )
    name, part_s = max(_parts_s(question).items(), key=lambda each: each[1])
    return OrchprofError(
        f"{start}a task alone takes {question.no_load_s:.3g} s in the mean, {part_s:.3g} s of it {name}: "
        "allow more time, make that part faster, or send less at once"
    )


def _parts_s(question: Question) -> dict[str, float]:
    """Return what a task does one after another or at once, in seconds of each in the mean."""
    return {
        "the model's": batched_s(question, 1)[1],
        "CPU": question.core_s,
        "waiting for others": question.amount(DELAY),
    }
