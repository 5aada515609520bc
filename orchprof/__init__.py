"""orchprof: where an agent task's time went, what it cost, and what it takes to run it at scale.

    import orchprof

    with orchprof.task("answer"):
        with orchprof.tool("search_docs"):
            ...

Importing this costs neither numpy nor pandas.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from orchprof.record.spans import model, span, task, tool

if TYPE_CHECKING:
    from orchprof.run.store import Run

__version__ = "0.1.0"
__all__ = ["__version__", "load", "model", "span", "task", "tool"]


def load(run: str | Path) -> "Run":
    """Return a run's tables (pandas) and its metadata; an unsealed run is sealed first.

    Raises:
        RunError: there is no run at `run`, or its schema is not one this version reads.
    """
    from orchprof.run.store import open_run

    return open_run(Path(run))
