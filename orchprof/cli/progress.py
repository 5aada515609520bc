"""How far a bench is, on stderr: a bar for a person who watches, sparse lines for a log."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchprof.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from orchprof.bench.driver import Event

    Notify = Callable[[Event], None]


@contextmanager
def progress() -> "Iterator[Notify]":
    """Give what to call with each event of the driver."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    with _bars() as notify:
        yield notify


def _lines() -> "Notify":
    """Return a notifier that writes a line per phase, and one per quarter of the tasks."""
    last: tuple[str, str, int] | None = None

    def notify(event: "Event") -> None:
        nonlocal last
        step = (event.workload, event.phase, event.done * 4 // event.total if event.total else 0)
        if step != last:
            sys.stderr.write(f"{_said(event)}\n")
            sys.stderr.flush()
        last = step

    return notify


@contextmanager
def _bars() -> "Iterator[Notify]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    look = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    # No refresh thread: it would take CPU and the GIL from the tasks that are being measured.
    with Progress(*look, console=Console(stderr=True), auto_refresh=False) as bars:
        shown: dict[str, TaskID] = {}

        def notify(event: "Event") -> None:
            if event.workload not in shown:
                shown[event.workload] = bars.add_task(event.workload)
            bar = shown[event.workload]
            bars.update(bar, description=_said(event), total=event.total or None, completed=event.done)
            bars.refresh()

        yield notify


def _said(event: "Event") -> str:
    counted = f" {event.done}/{event.total}" if event.total else ""
    failed = f", {event.failed} failed" if event.failed else ""
    return visible(f"{event.workload}: {event.phase}{counted}{failed}")
