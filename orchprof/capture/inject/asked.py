"""What was asked for on the command line: functions that are tools or tasks, requests as tasks, one task for all."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from orchprof.capture.hooks.patches import Patches
    from orchprof.capture.inject.defined import Place
    from orchprof.capture.spans import Span, Task
    from orchprof.capture.strands import Strands

TASK_FROM: Final = "ORCHPROF_TASK_FROM"
TOOLS: Final = "ORCHPROF_TOOLS"
# What a snapshot costs, measured by whoever started the recording, and in which Python: `3.11 950`.
CUT: Final = "ORCHPROF_CUT"
# When the command was started, and by which process: `4711 123456789` on the monotonic clock.
STARTED: Final = "ORCHPROF_STARTED"
# Of a program that turns out to be a server, its requests are the tasks.
_SERVERS: Final = ("uvicorn", "starlette", "aiohttp.web_protocol", "gunicorn", "werkzeug", "wsgiref")
PYTHON: Final = "{}.{}".format(*sys.version_info)


def known_cut_ns() -> int | None:
    """Return what a snapshot costs in this Python; None if nobody has measured it."""
    python, _, ns = os.environ.get(CUT, "").partition(" ")
    return int(ns) if python == PYTHON and ns.isdigit() else None


def started_ns(logs: str) -> int:
    """Return when the command was started that this process is; 0 where it is another, or has become another since."""
    starter, _, ns = os.environ.get(STARTED, "").partition(" ")
    if starter != str(os.getppid()) or not ns.isdigit():
        return 0
    earlier = f"log-{os.getpid()}-"
    return 0 if any(name.startswith(earlier) for name in os.listdir(logs)) else int(ns)  # noqa: PTH208


def hook(strands: Strands, patches: Patches) -> None:
    """Do what the environment says."""
    what, by_name = os.environ.get(TASK_FROM, ""), makers()
    if what == "program":
        _program(strands, patches)
    elif what == "http":
        _serve(patches, provisional=False)
    elif what == "auto":
        loaded: list[object] = []
        for library in _SERVERS:
            patches.when_imported(library, lambda module: _serve_once(patches, loaded, module))
    if by_name:
        from orchprof.capture.inject.defined import when_defined

        when_defined(strands, patches, [_wanted(place, make) for place, make in by_name.items()])


def _serve_once(patches: Patches, loaded: list[object], module: object) -> None:
    if not loaded:
        loaded.append(module)
        _serve(patches, provisional=True)


def _serve(patches: Patches, *, provisional: bool) -> None:
    from orchprof.capture.inject import served  # only who serves pays for it

    served.hook(patches, provisional=provisional)


def makers() -> dict[str, Callable[[str], Span]]:
    """Return what makes the span of each function that was asked for, by the function's place."""
    what = os.environ.get(TASK_FROM, "")
    tools: dict[str, Callable[[str], Span]] = dict.fromkeys(_places(os.environ.get(TOOLS, "[]")), _tool)
    return tools | {what: _task} if ":" in what else tools


def _places(text: str) -> list[str]:
    if text == "[]":
        return []
    import json  # only who has one pays for it

    return json.loads(text)  # type: ignore[no-any-return]


def _wanted(place: str, make: Callable[[str], Span]) -> Place:
    from orchprof.capture.inject.defined import Place

    module, _, path = place.partition(":")
    name = path.rpartition(".")[2]
    return Place(module, path, lambda *_args, **_kwargs: make(name))


def _tool(name: str) -> Span:
    from orchprof.capture.spans import tool  # only who has one pays for them

    return tool(name)


def _task(name: str) -> Task:
    from orchprof.capture.spans import Task

    return Task(name, None, None, warmup=False)


def _program(strands: Strands, patches: Patches) -> None:
    """Make all of this program one task; the processes that it starts are parts of it."""
    os.environ[TASK_FROM] = ""
    task: Any = _task(os.path.basename(sys.argv[0]) or "program")  # noqa: PTH119
    task.__enter__()
    strands.log.flush()  # however soon it is killed, it has begun
    patches.closing(lambda: task.__exit__(None, None, None))
