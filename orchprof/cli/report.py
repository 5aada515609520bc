"""`orchprof report`: runs that were made before, read again."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchprof.cli.words import DetailsOption, FormatOption, new_path, saved, write
from orchprof.contract.bench import Bench
from orchprof.contract.claim import Claim
from orchprof.contract.report import Report
from orchprof.errors import OrchprofError, UsageError

if TYPE_CHECKING:
    from orchprof.run.store import Run


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
        write(text)
    else:
        _save(text, target)


def read(paths: list[Path], *, per_task: bool = False) -> Report | Bench:
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
    return reports[0] if runs == asked and len(runs) == 1 else bench_record(reports, runs)


def summary(run: Path, *, per_task: bool = False) -> Report:
    """Return the report of one run directory."""
    from orchprof.ledger.summary import summarise
    from orchprof.run import store

    opened = store.open_run(run)
    return summarise(opened.tables, opened.meta, per_task=per_task)


def bench_record(reports: list[Report], runs: list[Path]) -> Bench:
    """Return several reports as one record, with what follows from them together.

    Args:
        reports: orchprof.report/1.
        runs: the directory of each.
    """
    from orchprof.claim.headline import headline
    from orchprof.run import store

    opened = [store.open_run(run) for run in runs]
    pairs = [(report, run.tables) for report, run in zip(reports, opened, strict=True)]
    return Bench(reports=reports, claim=_claim(pairs), cost=_costs(reports, opened), headline=headline(pairs))


def _claim(runs: list[tuple[Report, Any]]) -> Claim | None:
    """Return orchprof.claim/1; None of runs that say nothing about it, or of several machines."""
    from orchprof.claim.claim import claim

    try:
        return claim(runs)
    except OrchprofError:
        return None


def _costs(reports: list[Report], opened: "list[Run]") -> list[dict[str, Any]]:
    """Return orchprof.cost/1 of each run that has one; what is missing, `orchprof cost` says."""
    from orchprof.economics.cost import cost_of
    from orchprof.prices.book import book

    found: list[dict[str, Any]] = []
    with suppress(OrchprofError):
        prices = book()
        for report, run in zip(reports, opened, strict=True):
            with suppress(OrchprofError):
                found.append(cost_of(report, run.tables, run.meta, prices))
    return found


def _save(text: str, target: Path) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write, {target} @ --out, {error.strerror or error}") from error
    sys.stderr.write(saved(target))
