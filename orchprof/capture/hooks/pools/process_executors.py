"""Executors of processes: a job is a strand here until its result is back; the worker records the work itself."""

import functools
from collections.abc import Callable
from concurrent.futures import Future, process
from typing import Any, Final

from orchprof.capture.hooks.patches import Patches
from orchprof.capture.hooks.pools.remote_jobs import carry, on_behalf_of, submitted
from orchprof.capture.strands import Strands

_SENT: Final = "_orchprof_sent"
_Call = Callable[..., Any]


def hook(strands: Strands, patches: Patches) -> None:
    """Follow `ProcessPoolExecutor.submit`, on which its `map` stands, here and in loky, joblib's own copy too."""

    def patch(module: Any) -> None:
        patches.replace(module.ProcessPoolExecutor, "submit", functools.partial(_submit, strands))

    patch(process)
    for name in ("loky.process_executor", "joblib.externals.loky.process_executor"):
        patches.when_imported(name, patch)
    for name in ("set_result", "set_exception"):
        patches.replace(Future, name, functools.partial(_complete, strands))


def _submit(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def submit(pool: Any, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
        sent, execution = carry(strands, function, None)
        start = functools.partial(original, pool, sent, *args, **kwargs)
        future = submitted(strands, execution, start, lambda future: future.done())
        setattr(future, _SENT, True)
        return future

    return submit


def _complete(strands: Strands, original: _Call) -> _Call:
    @functools.wraps(original)
    def complete(future: Any, value: Any) -> None:
        execution = strands.execution_of(future) if _SENT in vars(future) else None
        if execution is None:
            original(future, value)
        else:
            on_behalf_of(strands, execution, lambda: original(future, value))

    return complete
