"""What was asked for on the command line: functions that are tools or tasks, requests as tasks, one task for all."""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchprof.record.hooks.patches import Patches
from orchprof.record.spans import Span, Task, tool
from orchprof.record.strands import Strands

if TYPE_CHECKING:
    from orchprof.record.inject.defined import Place

TASK_FROM: Final = "ORCHPROF_TASK_FROM"
TOOLS: Final = "ORCHPROF_TOOLS"


def hook(strands: Strands, patches: Patches) -> None:
    """Do what the environment says."""
    what = os.environ.get(TASK_FROM, "")
    makers: dict[str, Callable[[str], Span]] = dict.fromkeys(json.loads(os.environ.get(TOOLS, "[]")), tool)
    if what == "program":
        _program(strands, patches)
    elif what == "http":
        from orchprof.record.inject import served

        served.hook(strands, patches)
    elif ":" in what:
        makers[what] = _task
    if makers:
        from orchprof.record.inject.defined import when_defined

        when_defined(strands, patches, [_wanted(place, make) for place, make in makers.items()])


def _wanted(place: str, make: Callable[[str], Span]) -> "Place":
    from orchprof.record.inject.defined import Place

    module, _, path = place.partition(":")
    name = path.rpartition(".")[2]
    return Place(module, path, lambda *_args, **_kwargs: make(name))


def _task(name: str) -> Task:
    return Task(name, None, None, warmup=False)


def _program(strands: Strands, patches: Patches) -> None:
    """Make all of this program one task; the processes that it starts are parts of it."""
    os.environ[TASK_FROM] = ""
    task: Any = _task(os.path.basename(sys.argv[0]) or "program")  # noqa: PTH119
    task.__enter__()
    strands.log.flush()  # however soon it is killed, it has begun
    patches.also(lambda: task.__exit__(None, None, None))
