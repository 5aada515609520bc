"""orchprof: where an agent task's time went, what it cost, and what it takes to run it at scale.

    import orchprof

    with orchprof.task("answer"):
        with orchprof.tool("search_docs"):
            ...

Importing this costs neither numpy nor pandas.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from orchprof.capture.spans import model, span, task, tool
    from orchprof.run.store import Run

__version__ = "0.1.0"
__all__ = ["__version__", "load", "model", "span", "task", "tool"]


def __getattr__(name: str) -> Any:
    """Return a name of the capture API, loaded at its first use: a program that is only recorded never needs it.

    Raises:
        AttributeError: there is no such name here.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchprof.capture import spans

    globals()[name] = value = getattr(spans, name)
    return value


def load(run: str | Path) -> Run:
    """Return a run's tables (pandas) and its metadata; a run that was not is finalized first.

    Raises:
        RunError: there is no run at `run`, or its schema is not one this version reads.
    """
    from pathlib import Path

    from orchprof.run.store import open_run

    return open_run(Path(run))
