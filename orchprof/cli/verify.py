"""`orchprof verify`: how far off the ledger is on this machine, and what recording costs."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from orchprof.cli.words import INTERRUPTED, FormatOption, new_path, show, whole

QUICK_RUNS: Final = 3


def verify(
    runs: Annotated[
        int, typer.Option(metavar="N", parser=whole(1, "--runs"), help="How often to run the program.")
    ] = 9,
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK_RUNS} runs only.")] = False,
    form: FormatOption = "console",
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New directory to keep the recorded runs in.")
    ] = None,
) -> None:
    """Check the ledger against a program that knows its own times.

    Exits with 1 when an error is beyond its limit. Other work on the machine makes errors larger.
    """
    from orchprof.verify.examine import examine

    record = examine(QUICK_RUNS if quick else runs, keep and new_path(keep, "--keep"), _notify)
    show(record, form)
    raise typer.Exit(INTERRUPTED if record["interrupted"] else int(not record["passed"]))


def _notify(done: int, runs: int) -> None:
    sys.stderr.write(f"verify: run {done + 1} of {runs}\n")
    sys.stderr.flush()
