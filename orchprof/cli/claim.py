"""`orchprof claim`: does CPU-side orchestration take 50-90 % of latency, by which definition, and what moves it."""

from pathlib import Path
from typing import Annotated

import typer

from orchprof.cli.words import DetailsOption, FormatOption, positive, settings_of, show
from orchprof.contract.claim import Claim


def claim(
    run: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Directories of runs or benches of one machine; the latest when none is given.",
        ),
    ] = None,
    extrapolate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING=VALUE",
            help="The shares at a size that was not measured, along the straight line of a tool's time over three "
            "or more runs that differ in this setting; repeatable.",
        ),
    ] = None,
    form: FormatOption = "console",
    details: DetailsOption = False,
) -> None:
    """Ask whether the CPU side takes 50-90 % of latency.

    By each definition of these words, beside what was published; and what moves it: the model's speed and the
    accelerator, replayed; concurrency, settings and variants, where the given runs differ in one of them.
    """
    from orchprof.run import store

    beyond = _values(extrapolate or [])
    runs = [directory for path in run or [store.latest()] for directory in store.runs_in(path)]
    show(judged(list(dict.fromkeys(runs)), beyond), form, details=details)


def judged(runs: list[Path], beyond: dict[str, float]) -> Claim:
    """Return orchprof.claim/1 of some run directories.

    Raises:
        UsageError: they were made on different machines, or a setting of `beyond` is none that varies.
        RunError: none of them says anything about the claim, or no law holds to extrapolate along.
    """
    from orchprof.claim.claim import claim as judge
    from orchprof.ledger.summary import summarise
    from orchprof.run import store

    opened = [store.open_run(directory) for directory in runs]
    return judge([(run.of(summarise), run) for run in opened], beyond)


def _values(pairs: list[str]) -> dict[str, float]:
    given = settings_of(pairs, "--extrapolate")
    return {name: positive(f"--extrapolate {name}")(value) for name, value in given.items()}
