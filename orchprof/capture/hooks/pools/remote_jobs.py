"""Jobs carried to another process: here the job is a strand that waits, there the strand that does its work."""

import os
import sys
from collections.abc import Callable
from multiprocessing import spawn
from typing import Any

from orchprof.capture.executions import EXECUTION, Execution
from orchprof.capture.frames import hide
from orchprof.capture.hooks.threads import name_of, new_job
from orchprof.capture.state import STATE, first_seen
from orchprof.capture.strands import Strands, ThreadClock


class Carried:
    """A job's function and the strand that stands for it in the process that asked; called where the work is done.

    Without a recording there it is the bare function.
    """

    __slots__ = ("function", "log", "strand")

    def __init__(self, function: Callable[..., Any], log: str, strand: int) -> None:
        self.function, self.log, self.strand = function, log, strand

    def __reduce__(self) -> tuple[Any, ...]:
        return Carried, (self.function, self.log, self.strand)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return `function(...)`, run as a strand of this process."""
        thread_clock = STATE.here.thread_clock or first_seen()
        if thread_clock is None:
            return self.function(*args, **kwargs)
        strands = thread_clock.strands
        execution = strands.safely(self._begin, strands, args)
        try:
            return self.function(*args, **kwargs)
        except BaseException as error:
            hide(error)
            raise
        finally:
            if execution is not None:
                strands.safely(self._end, thread_clock, execution)

    def _begin(self, strands: Strands, args: tuple[Any, ...]) -> Execution:
        thread_clock = strands.thread_clock()
        execution = strands.spawn("job", _job_name(self.function, args), None, thread_clock.snapshot())
        strands.log.note(("carries", execution.strand, [self.log, self.strand]))
        thread_clock.mount(execution)
        return execution

    def _end(self, thread_clock: ThreadClock, execution: Execution) -> None:
        thread_clock.mount(thread_clock.home)
        thread_clock.strands.end(execution.strand, thread_clock.wall)
        log = thread_clock.log
        if (
            log.file_name != self.log
        ):  # a pool of processes ends its workers with a signal: keep what was done
            log.flush()


def _job_name(function: Any, args: tuple[Any, ...]) -> str:
    """Return the name of what is really called: a pool hands chunks of calls to helpers of its own."""
    chunk = args[0] if args and getattr(function, "__module__", "") == "multiprocessing.pool" else None
    return name_of(chunk[0] if isinstance(chunk, tuple) and chunk else _first_of(function))


def _first_of(function: Any) -> Any:
    """Return the first function that a batch of joblib's calls, any other is one itself."""
    batch = getattr(function, "items", None) if type(function).__module__ == "joblib.parallel" else None
    return batch[0][0] if batch else function


def carry(strands: Strands, function: Any, named: Any) -> tuple[Any, Execution | None]:
    """Return what to send to a worker in place of `function`, and the strand that stands for the job here.

    The strand has the name of the function `named`. A worker of another Python than this one may know nothing of
    orchprof: it gets the bare function.
    """
    if os.fsencode(spawn.get_executable()) != os.fsencode(sys.executable):
        return function, None
    execution = new_job(strands, _first_of(function) if named is None else named)
    log = strands.log.file_name
    if not log:  # nothing is recorded here by now, or, in a forked child that woke with this, by others
        return function, None
    return Carried(function, log, execution.strand), execution


def submitted(
    strands: Strands, execution: Execution | None, start: Callable[[], Any], is_done: Callable[[Any], bool]
) -> Any:
    """Return the result object that `start()` gives for a job, which is the strand `execution` until it is done."""
    try:
        result = start()
    except BaseException:
        if execution is not None:
            strands.end(execution.strand, strands.thread_clock().wall)
        raise
    setattr(result, EXECUTION, execution)
    if execution is not None and is_done(result):  # it was faster than this
        strands.end(execution.strand, strands.thread_clock().snapshot())
    return result


def on_behalf_of(
    strands: Strands, execution: Execution, tell: Callable[[], Any], is_done: Callable[[], bool] | None = None
) -> None:
    """Call `tell()`, by which the pool's own thread gives a job's result to whoever waits: the job woke them.

    What `tell` calls may take its time, and comes after the job's end. `is_done` says whether that was its last part.
    """
    thread_clock = strands.thread_clock()
    now_ns, cause, thread_clock.cause = thread_clock.clock.wall_ns(), thread_clock.cause, execution
    if is_done is None:
        strands.end(execution.strand, now_ns)
    try:
        tell()
    finally:
        thread_clock.cause = cause
        if is_done is not None and strands.safely(is_done):
            strands.end(execution.strand, now_ns)
