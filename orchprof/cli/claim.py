"""`orchprof claim`: does CPU-side orchestration take 50-90 % of latency, by which reading, and what moves it."""

from pathlib import Path
from typing import Annotated

import typer

from orchprof.cli.words import DetailsOption, FormatOption, show


def claim(
    run: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Directory of a run or a bench; the latest when none is given."),
    ] = None,
    form: FormatOption = "console",
    details: DetailsOption = False,
) -> None:
    """Ask whether the CPU side takes 50-90 % of latency.

    Under each reading of these words, beside what was published; and what moves it.
    """
    from orchprof.claim.record import claim as judge
    from orchprof.ledger.summary import summarise
    from orchprof.run import store

    runs = [each for path in run or [store.latest()] for each in store.runs_in(path)]
    opened = [store.open_run(each) for each in dict.fromkeys(runs)]
    show(judge([(summarise(each.tables, each.meta), each.tables) for each in opened]), form, details=details)
