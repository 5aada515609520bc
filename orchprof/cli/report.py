"""`orchprof report`: runs that were made before, read again."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchprof.cli.words import DetailsOption, FormatOption, new_path, saved, write
from orchprof.contract.bench import Bench
from orchprof.contract.claim import Claim
from orchprof.contract.cost import Cost
from orchprof.contract.report import Report
from orchprof.errors import OrchprofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    record = read(run or [], per_task=per_task, whole=form != "console")
    text = rendering.render(record, form, details=details)
    if target is None:
        write(text)
    else:
        _save(text, target)


def read(paths: list[Path], *, per_task: bool = False, whole: bool = True) -> Report | Bench:
    """Return orchprof.report/1 for one run, orchprof.bench/1 for a bench or several runs.

    Args:
        paths: run and bench directories; the latest when empty.
        per_task: whether each task is reported as well.
        whole: of a bench, all that JSON has, not only what the table shows.

    Raises:
        RunError: a path holds no run that can be read, or there is no run yet.
    """
    from orchprof.run import store

    asked = paths or [store.latest()]
    runs = [run for path in asked for run in store.runs_in(path)]
    opened = [store.open_run(run) for run in runs]
    alone = runs == asked and len(runs) == 1
    if alone:
        return summary(opened[0], per_task=per_task)
    return bench_record(opened, per_task=per_task, whole=whole)


def summary(run: "Run", *, per_task: bool = False) -> Report:
    """Return the report of a run."""
    from orchprof.ledger.summary import summarise

    return summarise(run, per_task=True) if per_task else run.of(summarise)


def bench_record(runs: "Sequence[Run]", *, per_task: bool = False, whole: bool = True) -> Bench:
    """Return the reports of several runs as one record, with what follows from them together.

    Args:
        runs: each read once, and its graphs built once.
        per_task: whether each task is reported as well.
        whole: all that JSON has, not only what the table shows.
    """
    from orchprof.claim.headline import headline

    pairs = [(summary(run, per_task=per_task), run) for run in runs]
    return Bench(
        reports=[report for report, _ in pairs],
        claim=_claim(pairs, whole),
        cost=_costs(pairs, whole),
        headline=headline(pairs),
    )


def _claim(runs: "list[tuple[Report, Run]]", whole: bool) -> Claim | None:
    """Return orchprof.claim/1; None of runs that say nothing about it, or of several machines."""
    from orchprof.claim.claim import claim

    try:
        return claim(runs, verdicts_only=not whole)
    except OrchprofError:
        return None


def _costs(runs: "list[tuple[Report, Run]]", whole: bool) -> list[Cost]:
    """Return orchprof.cost/1 of each run that has one; what is missing, `orchprof cost` says."""
    from orchprof.economics.cost import cost_of
    from orchprof.economics.options import Options
    from orchprof.prices.book import book

    costs: list[Cost] = []
    with suppress(OrchprofError):
        prices = book()
        for report, run in runs:
            with suppress(OrchprofError):
                costs.append(cost_of(report, run, prices, Options(bill_only=not whole)))
    return costs


def _save(text: str, target: Path) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write, {target} @ --out, {error.strerror or error}") from error
    sys.stderr.write(saved(target))
