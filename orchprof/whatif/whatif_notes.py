"""Notes of a what-if: what a prediction takes for granted, and what in its run speaks against it."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from orchprof.contract.report import Finding
from orchprof.ledger.checks import is_labelled
from orchprof.ledger.load import behind
from orchprof.ledger.replay.together import kept_of
from orchprof.ledger.unexplained import unexplained_ns
from orchprof.stats.intervals import LEAST
from orchprof.whatif.core_fit import MOST_TASKS, Fitted
from orchprof.whatif.request import Asked, Recorded

_ENOUGH: Final = 0.9  # of the cores, for a run to have had them
_RERUN_LIMIT: Final = 0.05
_SAME: Final = 0.005
_MUCH: Final = 0.01  # of latency, for what stays as it was to be worth a word
_REMEDIES: Final = {
    "too_few_tasks": "measure more tasks",
    "only_failed": "mend the workload or the model's side first",
    "unlabelled": "record with --tool module:function to tell tools from the rest",
    "degraded": "measure at a lower rate: this is how it drowns, not how it runs",
    "neighbours": "run again on a quiet machine",
    "rerun": "trust the direction rather than the figure, or measure it",
    "sampled": None,
    "no_contention": None,
    "held_elsewhere": "measure with --concurrency 1 to see a task alone, or trust the direction",
    "lock_holder": "mark what is done under the lock with orchprof.tool(), so that its end is seen",
    "timeout_unknown": "measure with a longer time-out to see what would come of it",
}


def assumptions(run: Recorded, asked: Asked) -> list[str]:
    """Return what is taken for granted, a sentence each."""
    said = [
        "tasks take the same steps, and waits that nothing here changes are as long as they were",
        "who waits for a loop, a pool, a lock or the interpreter goes on when whoever held it lets go",
        "an item of a queue goes to the worker that is free first",
    ]
    if asked.swap:
        said.append("a swapped part takes as many times as long as its mean call, or mean task, did")
    if asked.rerun:
        said.append("strands at work share the cores evenly, others hold the same share of every core")
        said.append("work of the model's side, and of what was not recorded, needs no core")
    if asked.cores and not asked.workers:
        said.append("waits for the interpreter and for event loops are as long as they were")
    if asked.workers:
        said.append(_sharing(run))
    if asked.model:
        said.append("model time is MODELLED, call by call from its tokens; network and front end as recorded")
    return said


def _sharing(run: Recorded) -> str:
    if run.meta.params.mode in ("threads", "async"):
        return (
            "tasks share one process, one at a time; a library that lets go of the interpreter is not known"
        )
    return "every worker is a process of its own; remote tools answer as fast as before"


def findings(run: Recorded, fitted: Fitted | None, asked: Asked, ratio: float | None) -> list[Finding]:
    """Return what a reader must know before trusting the record."""
    rerun = fitted if asked.rerun else None
    messages = {
        "too_few_tasks": _too_few(run),
        "only_failed": _only_failed(run),
        "unlabelled": None if is_labelled(run.tables, run.meta) else "nothing says which code is a tool",
        "degraded": behind(run.tables, run.meta),
        "neighbours": _neighbours(fitted),
        "rerun": _far_off(rerun),
        "sampled": _sampled(run, rerun),
        "no_contention": _unchanged(rerun, asked, ratio),
        **dict(_as_recorded(run)),
    }
    return [
        Finding(code=code, message=message, remedy=_REMEDIES[code])
        for code, message in messages.items()
        if message
    ]


def _as_recorded(run: Recorded) -> Iterator[tuple[str, str]]:
    """Yield what of latency is waits that stay as they were because nobody knows what would end them."""
    total_ns = max(sum(graph.length_ns for graph in run.graphs), 1)
    each = [unexplained_ns(graph, kept_of(graph, events, run.together)) for graph, events in run.replayable]
    elsewhere, lock, timeout = np.sum(each, axis=0) / total_ns
    if elsewhere > _MUCH:
        states = "an event loop, a pool or the interpreter"
        yield (
            "held_elsewhere",
            f"{elsewhere:.0%} of latency is waits for {states} that nobody known held",
        )
    if lock > _MUCH:
        yield "lock_holder", f"{lock:.0%} of latency is waits for locks of which nobody knows who held them"
    if timeout > _MUCH:
        yield (
            "timeout_unknown",
            f"{timeout:.0%} of latency is waits to their time-out for what nobody knows the end of",
        )


def _too_few(run: Recorded) -> str | None:
    n = len(run.graphs)
    are = "task is" if n == 1 else "tasks are"
    return f"{n} {are} too few for an interval (needs {LEAST})" if n < LEAST else None


def _only_failed(run: Recorded) -> str | None:
    tasks = run.tables["tasks"]
    counted = tasks["task"].isin([graph.task for graph in run.graphs])
    failed = bool((~tasks.loc[counted, "ok"].fillna(value=True)).any())
    return "no task succeeded: latencies are those of tasks that failed" if failed else None


def _neighbours(fitted: Fitted | None) -> str | None:
    if fitted is None or fitted.effective >= _ENOUGH * fitted.machine.cores:
        return None
    had = f"{fitted.effective:.1f} of {fitted.machine.cores:g} cores"
    return f"the run had the use of {had}: others were at work, its own servers among them"


def _far_off(fitted: Fitted | None) -> str | None:
    if fitted is None or abs(fitted.error) <= _RERUN_LIMIT:
        return None
    return (
        f"rerun as it was, the mean task comes out {fitted.error:+.0%}; the prediction is scaled to make up"
    )


def _sampled(run: Recorded, fitted: Fitted | None) -> str | None:
    if fitted is None or len(fitted.graphs) == len(run.graphs):
        return None
    return f"the first {MOST_TASKS} of {len(run.graphs)} tasks were rerun"


def _unchanged(fitted: Fitted | None, asked: Asked, ratio: float | None) -> str | None:
    alone = not (asked.scale or asked.swap or asked.model or asked.workers)
    if fitted is None or ratio is None or not alone or abs(ratio - 1) > _SAME:
        return None
    if (asked.cores or 0) < fitted.machine.cores:
        return "fewer cores change nothing: the tasks never need more at a time"
    return "more cores change nothing: the tasks never need more at a time than there are"
