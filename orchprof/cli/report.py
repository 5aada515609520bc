"""`orchprof report`: runs that were made before, read again."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from orchprof.cli.words import DetailsOption, FormatOption, new_path
from orchprof.errors import UsageError


def report(
    run: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Directory of a run or a bench; the latest when none is given."),
    ] = None,
    form: FormatOption = "console",
    details: DetailsOption = False,
    per_task: Annotated[bool, typer.Option("--per-task", help="Each task on its own as well.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this new file instead of the terminal.")
    ] = None,
) -> None:
    """Show where the time of kept runs went."""
    from orchprof import report as rendering

    target = out and new_path(out, "--out")
    text = rendering.render(read(run or [], per_task=per_task), form, details=details)
    if target is None:
        sys.stdout.write(text)
    else:
        _save(text, target)


def read(paths: list[Path], *, per_task: bool = False) -> dict[str, Any]:
    """Return orchprof.report/1 for one run, orchprof.bench/1 for a bench or several runs.

    Args:
        paths: run and bench directories; the latest when empty.
        per_task: whether each task is reported as well.

    Raises:
        RunError: a path holds no run that can be read, or there is no run yet.
    """
    from orchprof.run import store

    asked = paths or [store.latest()]
    runs = [run for path in asked for run in store.runs_in(path)]
    reports = [summary(run, per_task=per_task) for run in runs]
    return reports[0] if runs == asked and len(runs) == 1 else bench_record(reports)


def summary(run: Path, *, per_task: bool = False) -> dict[str, Any]:
    """Return the report of one run directory."""
    from orchprof.ledger.summary import summarise
    from orchprof.run import store

    opened = store.open_run(run)
    record: dict[str, Any] = summarise(opened.tables, opened.meta, per_task=per_task)
    return record


def bench_record(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return several reports as one record."""
    return {"schema": "orchprof.bench/1", "reports": reports, "claim": None, "cost": []}


def _save(text: str, target: Path) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write, {target} @ --out, {error.strerror or error}") from error
    sys.stderr.write(f"Saved {target}\n")
