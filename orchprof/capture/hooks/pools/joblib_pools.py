"""joblib: whoever asks for results waits for the batch that is due, though it looks for it by short sleeps."""

import functools
from collections.abc import Callable, Generator, Iterator
from typing import Any

from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.waits import wait_for
from orchprof.capture.strands import Strands

_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow the retrieval of results."""

    def patch(module: Any) -> None:
        patches.replace(module.Parallel, "_retrieve", functools.partial(_retrieve, strands))

    patches.when_imported("joblib.parallel", patch)


def _retrieve(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def retrieve(parallel: Any) -> Generator[Any, None, None]:
        results = original(parallel)
        following = functools.partial(next, results, results)  # which no result can be
        while True:
            due = strands.safely(_due, parallel) or []
            result = wait_for(strands, _finished(strands, due), following)
            if result is results:
                return
            yield result

    return retrieve


def _due(parallel: Any) -> list[Any]:
    """Return the jobs of which the next result may be."""
    batches = list(parallel._jobs)[:1] or list(parallel._jobs_set)
    return [batch.job for batch in batches if batch.job is not None]


def _finished(strands: Strands, jobs: list[Any]) -> Iterator[int]:
    for job in jobs:
        execution = strands.execution_of(job)
        if execution is not None and (job.done() if hasattr(job, "done") else job.ready()):
            yield execution.strand
